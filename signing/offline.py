"""The offline bundle: all that a verifier without a network needs, in one signed file.

https://www.rfc-editor.org/rfc/rfc7515 (JWS) and https://www.rfc-editor.org/rfc/rfc1951 (DEFLATE)

A compact JWS, signed with ES256 or PS256, over deflated JSON: WebCrypto and DecompressionStream read it in a browser
without any library. docs/certificates.md describes every member.
"""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from sys import byteorder
from typing import Any, NamedTuple

from signing import algorithms, deflate, jwk, jws, rules, trust
from signing.algorithms import NAMES
from signing.did import Pin
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.revocation import Cards, Revoked
from signing.rules import Rulebook
from signing.trust import Authority, CardKey, DocumentSigner, TrustList
from signing.verification import kinds_allowed

TYPE, VERSION = "offline-bundle+jws", 1
MEDIA_TYPE = "application/jose"
LARGEST = 64 * 1024 * 1024  # bytes of JSON; a million revoked hashes take 11


class Bundle(NamedTuple):
    """What a bundle holds, and how old it is."""

    trust: TrustList
    revoked: Revoked
    rulebook: Rulebook
    issued: datetime
    next_update: datetime  # when a newer one will be there; after it, say that this one is old
    issuer: str


def make(bundle: Bundle, key: SigningKey) -> str:
    """Return `bundle` signed with `key`; equal bundles are equal before they are signed."""
    header = {
        "zip": "DEF",
        "typ": TYPE,
        "kid": jwk.thumbprint(key.signer.public_key),
        "x5c": [b64encode(key.signer.certificate).decode()],
    }
    return jws.sign(header, deflate.raw(jws.minified(_content(bundle))), key)


def read(text: str, pins: Sequence[Pin]) -> Bundle:
    """Return what the bundle holds once its signature is found to be made with one of `pins`.

    Whether it is still new enough, the caller judges by `next_update`. Raise Refused when it is no bundle, is signed
    by somebody else, or was altered.
    """
    message = jws.parse(text)
    if message.header.get("typ") != TYPE:
        raise Refused("not-a-bundle", "the file is no offline bundle")
    if not any(jws.verifies(message, pin.key) for pin in pins):
        raise Refused("bundle-signature", "the bundle is not signed with a key that is pinned, or was altered")
    said = jws.json_object(jws.payload(message, LARGEST), "not-a-bundle", "the bundle")
    if said.get("version") != VERSION:
        raise Refused("not-a-bundle", f"version {said.get('version')!r:.20} of the bundle is unknown")
    try:
        return Bundle(
            _trust(said),
            _revoked(said["revocation"]),
            rules.parse([{"rules": said["rules"], "valueSets": said["valueSets"]}]),
            datetime.fromisoformat(said["issued"]),
            datetime.fromisoformat(said["nextUpdate"]),
            said["issuer"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused("not-a-bundle", f"the bundle lacks what it needs ({error})") from None


def _content(bundle: Bundle) -> dict[str, Any]:
    return {
        "version": VERSION,
        "issuer": bundle.issuer,
        "issued": _time(bundle.issued),
        "nextUpdate": _time(bundle.next_update),
        "signers": [*map(_signer, bundle.trust.signers)],
        "authorities": [*map(_authority, bundle.trust.authorities)],
        "cardKeys": [*map(_card_key, bundle.trust.every_card_key())],
        "revocation": {
            "hashes": b64encode(bundle.revoked.to_bytes()).decode(),
            "cards": {kid: _cards(cards) for kid, cards in sorted(bundle.revoked.cards.items())},
        },
        "valueSets": {name: list(codes) for name, codes in bundle.rulebook.value_sets.items()},
        "rules": [rule.row for rule in bundle.rulebook.rules],
    }


def _signer(signer: DocumentSigner) -> dict[str, Any]:
    allowed = kinds_allowed(signer.extended_key_usage)
    return {
        "kid": b64encode(signer.kid).decode(),
        "country": signer.country,
        "alg": NAMES.get(signer.algorithm) if signer.algorithm is not None else None,
        "notBefore": _time(signer.not_before),
        "notAfter": _time(signer.not_after),
        "kinds": sorted(allowed) or None,
        "jwk": _jwk(signer.public_key),
        "rawData": b64encode(signer.certificate).decode(),
    }


def _authority(above: Authority) -> dict[str, Any]:
    return {
        "country": above.country,
        "notBefore": _time(above.not_before),
        "notAfter": _time(above.not_after),
        "rawData": b64encode(above.certificate).decode(),
    }


def _card_key(key: CardKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "origin": key.origin,
        "crlVersion": key.list_version,
        "signer": b64encode(key.signer.kid).decode() if key.signer else None,
        "jwk": _jwk(key.public_key),
    }


def _jwk(key: algorithms.PublicKey) -> dict[str, str] | None:
    try:
        return jwk.members(key)
    except Refused:  # a curve that JSON has no name for signs nothing that is accepted
        return None


def _cards(cards: Cards) -> dict[str, Any]:
    return {
        "counter": cards.counter,
        "keys": b64encode(_big_endian(cards.keys)).decode(),
        "before": b64encode(_big_endian(cards.before)).decode(),
    }


def _trust(said: Mapping[str, Any]) -> TrustList:
    return TrustList(
        (trust.document_signer(b64decode(row["rawData"]), b64decode(row["kid"])) for row in said["signers"]),
        (),
        _card_keys(said["cardKeys"]),
        (trust.authority(b64decode(row["rawData"])) for row in said["authorities"]),
    )


def _card_keys(rows: Sequence[Mapping[str, Any]]) -> Iterator[CardKey]:
    for row in rows:
        if row["signer"] is None:  # the others are the keys of the signers
            yield CardKey(row["kid"], jwk.read(row["jwk"]), row["origin"], row["crlVersion"])


def _revoked(said: Mapping[str, Any]) -> Revoked:
    cards = {
        kid: Cards(row["counter"], _native("Q", b64decode(row["keys"])), _native("q", b64decode(row["before"])))
        for kid, row in said["cards"].items()
    }
    if any(len(one.keys) != len(one.before) for one in cards.values()):
        raise Refused("not-a-bundle", "a list of health cards is cut short")
    return Revoked.from_bytes(b64decode(said["hashes"]), cards)


def _big_endian(numbers: "array[int]") -> bytes:
    return _swapped(numbers[:]).tobytes()


def _native(type: str, content: bytes) -> "array[int]":
    return _swapped(array(type, content))


def _swapped(numbers: "array[int]") -> "array[int]":
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
