"""What verifiers fetch: the keys of cards (JWK Set), their revocation lists, the DID document, the offline bundle.

https://spec.smarthealth.cards/#determining-keys-associated-with-an-issuer · https://spec.smarthealth.cards/#revocation
https://smart.who.int/trust/concepts_did_gdhcn.html · docs/certificates.md (offline bundle)
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlsplit
from weakref import WeakKeyDictionary

from fhir_server import wire
from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call
from fhir_server.operations.revocation import Published, published
from fhir_server.outcome import NotFound, Unavailable
from fhir_server.server import Context
from fhir_server.store import Store
from signing import did, jwk, offline, shc
from signing.algorithms import ES256
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.rules import Rulebook
from signing.trust import CardKey, TrustList

FRESH: Final = timedelta(hours=1)  # after which what did not change is signed anew, so that its age is told
NEXT_UPDATE: Final = timedelta(days=1)
CACHE: Final = "public, max-age=300"
_PARTICIPANTS = {"VN": "VNM"}


@dataclass(frozen=True, slots=True)
class _Publication:
    """Everything that is published, made at one moment from one state of keys and register."""

    state: tuple[Any, ...]
    files: Mapping[str, tuple[bytes, str, str]]  # by name: content, media type, tag


_MADE: WeakKeyDictionary[Store, _Publication] = WeakKeyDictionary()
_MAKING: WeakKeyDictionary[Store, asyncio.Lock] = WeakKeyDictionary()


async def publish(ctx: Context, call: Call) -> Answer:
    """Answer with the file that `name` asks for; equal contents have equal tags until they are signed anew."""
    name = dict(call.params)["name"]
    found = (await _current(ctx)).files.get(name)
    if found is None:
        raise NotFound("Nothing is published by this name", "Không công bố gì dưới tên này")
    content, media_type, tag = found
    return Answer(200, content, media_type=media_type, cache=CACHE, tag=tag)


async def _current(ctx: Context) -> _Publication:
    """Return what was made last, or make it anew when keys or register changed, or it is an hour old."""
    store = ctx.server.store
    async with _MAKING.setdefault(store, asyncio.Lock()):
        state = await _state(ctx)
        made = _MADE.get(store)
        if made is None or made.state != state:
            made = _MADE[store] = await _make(ctx, state)
        return made


async def _state(ctx: Context) -> tuple[Any, ...]:
    hour = int(ctx.now.timestamp() // FRESH.total_seconds())
    return ctx.server.trust.digest, await ctx.server.store.register.newest_revocation(), hour


async def _make(ctx: Context, state: tuple[Any, ...]) -> _Publication:
    listed = await published(ctx)
    try:
        key = ctx.server.signers.signer(ctx.now)
    except Refused as refused:
        raise Unavailable(f"No key can sign now: {refused}", "Hiện chưa có khóa nào ký được") from None
    return _Publication(state, await asyncio.to_thread(_files, ctx, key, listed))


def _files(ctx: Context, key: SigningKey, listed: Published) -> dict[str, tuple[bytes, str, str]]:
    trust, issuer = ctx.server.trust, ctx.server.settings.issuer_url.rstrip("/")
    own = ctx.server.signers.trust_list()
    cards = [
        CardKey(kid, signer.public_key, issuer, listed.revoked.cards[kid].counter)
        for signer in own.signers
        if signer.algorithm == ES256
        for kid in (jwk.thumbprint(signer.public_key),)
    ]
    bundle = offline.Bundle(
        trust | TrustList((), cards=cards),
        listed.revoked,
        ctx.server.rulebook or Rulebook((), {}),
        ctx.now,
        ctx.now + NEXT_UPDATE,
        issuer,
    )
    keys = [_key(card, own) for card in cards]
    document = _document(own, issuer, key, ctx.now)
    found = {
        "jwks.json": _json({"keys": keys}),
        "offline-bundle": _tagged(offline.make(bundle, key).encode(), offline.MEDIA_TYPE),
    }
    if document is not None:
        found["did.json"] = _tagged(wire.dumps(document), "application/json")
    for card in cards:
        rids = [(rid, None) for rid in listed.rids[card.kid]]
        counter = listed.revoked.cards[card.kid].counter
        found[f"crl/{card.kid}.json"] = _json(shc.revocation_list(card.kid, counter, rids))
    return found


def _key(card: CardKey, own: TrustList) -> dict[str, Any]:
    chain = next(signer.certificate for signer in own.signers if signer.public_key == card.public_key)
    return jwk.public(card.public_key, (chain,), crlVersion=card.list_version)


def _document(own: TrustList, issuer: str, key: SigningKey, now: datetime) -> dict[str, Any] | None:
    """Return the DID document of this issuer's keys; None when they are not elliptic: its proof is ES256 only."""
    if key.algorithm != ES256:
        return None
    address = urlsplit(issuer)
    id = ":".join(["did:web", quote(address.netloc, safe=""), *filter(None, address.path.split("/"))])
    return did.write(own, id, key, now, now.strftime("%Y%m%dT%H%M%SZ"), _PARTICIPANTS)


def _json(content: Any) -> tuple[bytes, str, str]:
    text = wire.dumps(content)
    return text, "application/json", sha256(text).hexdigest()[:32]


def _tagged(content: bytes, media_type: str) -> tuple[bytes, str, str]:
    return content, media_type, sha256(content).hexdigest()[:32]
