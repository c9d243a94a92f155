"""What the register has revoked, asked for one certificate at the moment it is verified: no list that could be old.

https://github.com/eu-digital-green-certificates/dgc-gateway — RevocationBatchDto; https://spec.smarthealth.cards/#revocation
"""

import asyncio
from base64 import b64decode, b64encode
from datetime import datetime
from typing import NamedTuple

from fhir_server.server import Context
from signing import jwk
from signing.algorithms import ES256
from signing.revocation import Revoked, card_list
from signing.verify import Verification, verify

_HASH = 24  # characters of a hash in Base64; a `rid` made here has 11


class _Asked(Revoked):
    """Says that nothing is revoked, and notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.hashes: list[str] = []
        self.card_of: tuple[str, str] | None = None  # kid and rid

    def __contains__(self, hash: bytes) -> bool:
        self.hashes.append(b64encode(hash).decode())
        return False

    def card(self, kid: str, rid: str, issued: datetime) -> bool | None:
        self.card_of = kid, rid
        return False


async def verified(ctx: Context, text: str) -> Verification:
    """Verify a certificate by the keys trusted here, what the register has revoked by now, and the rules in force."""
    asked, rulebook = _Asked(), ctx.server.rulebook
    found = await asyncio.to_thread(verify, text, ctx.server.trust, ctx.now, revoked=asked, rulebook=rulebook)
    kid, rid = asked.card_of or ("", "")
    revoked = await ctx.server.store.register.revoked([*asked.hashes, *([rid] if rid else [])])
    own = kid in {jwk.thumbprint(key.signer.public_key) for key in ctx.server.signers.keys if key.algorithm == ES256}
    if not revoked and not own:
        return found
    lists = {kid: card_list([rid] if rid in revoked else [])} if own else {}
    listed = Revoked([b64decode(hash) for hash in asked.hashes if hash in revoked], lists)
    return await asyncio.to_thread(verify, text, ctx.server.trust, ctx.now, revoked=listed, rulebook=rulebook)


class Published(NamedTuple):
    """The whole list as it is published: to be carried offline, and the `rid` of cards by key."""

    revoked: Revoked
    rids: dict[str, list[str]]


async def published(ctx: Context) -> Published:
    """Return the whole list: hashes, and the list of each of this issuer's keys for cards.

    The counter of a list is the time of its last entry: it grows when one is added, not when an old one goes.
    """
    hashes: list[bytes] = []
    rids: dict[str, list[str]] = {
        jwk.thumbprint(key.signer.public_key): [] for key in ctx.server.signers.keys if key.algorithm == ES256
    }
    counters = dict.fromkeys(rids, 0)
    async for each in ctx.server.store.register.revocations(ctx.now):
        if len(each.hash) == _HASH:
            hashes.append(b64decode(each.hash))
        elif each.kid in rids:
            rids[each.kid].append(each.hash)
            counters[each.kid] = max(counters[each.kid], int(each.revoked.timestamp()))
    return Published(Revoked(hashes, {kid: card_list(found, counters[kid]) for kid, found in rids.items()}), rids)
