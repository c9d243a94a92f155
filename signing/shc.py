"""SMART Health Cards: a FHIR Bundle in a deflated JWS, as text, as file and as QR code.

https://spec.smarthealth.cards/
"""

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from signing import deflate, jwk, jws
from signing.algorithms import ES256
from signing.keys import SigningKey
from signing.refusal import Refused

PREFIX = "shc:/"
MEDIA_TYPE = "application/smart-health-card"
HEALTH_CARD = "https://smarthealth.cards#health-card"
IMMUNIZATION = "https://smarthealth.cards#immunization"
FHIR_VERSION = "4.0.1"
LONGEST_RID = 24  # characters
_RID = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)
_CHUNK = re.compile(r"shc:/(?:([0-9]{1,3})/([0-9]{1,3})/)?([0-9]*)", re.ASCII)
_OFFSET = 45  # the character "-", which two digits 00 stand for
_LAST = ord("z") - _OFFSET
_MOST_CHUNKS = 64
_OBJECT = ("w", "x", "y", "z")  # after the "e" of "{" in Base64url


class Issued(NamedTuple):
    """A card as it was issued."""

    jws: str
    kid: str  # RFC 7638 thumbprint
    issued: datetime
    expires: datetime | None

    @property
    def qr(self) -> str:
        """Return the text of the QR code."""
        return numeric(self.jws)


def issue(
    bundle: Mapping[str, Any],
    key: SigningKey,
    now: datetime,
    issuer: str,
    *,
    types: Sequence[str] = (IMMUNIZATION,),
    expires: datetime | None = None,
    rid: str | None = None,
) -> Issued:
    """Sign a FHIR Bundle as a health card valid from `now`; `issuer` is the https address under which keys are found.

    `types` stand beside `#health-card`; `rid` makes the card revocable by it. Raise Refused when the key is not P-256
    or not valid at `now`, when `issuer` is no https address or ends in "/", or when `rid` is none.
    """
    if key.algorithm != ES256:
        raise Refused("key-type", "a health card is signed with P-256 (ES256) only")
    if not key.valid_at(now):
        raise Refused("signer-not-valid", f"the signer's certificate does not cover {now.isoformat()}")
    if problem := origin_problem(issuer):
        raise Refused("issuer-url", problem)
    if rid is not None and not _RID.fullmatch(rid):
        raise Refused("rid", f"a revocation identifier has 1 to {LONGEST_RID} characters of Base64url")
    issued = now.astimezone(UTC).replace(microsecond=0)
    payload: dict[str, Any] = {"iss": issuer, "nbf": int(issued.timestamp())}
    if expires is not None:
        payload["exp"] = int(expires.timestamp())
    credential: dict[str, Any] = {
        "type": [HEALTH_CARD, *types],
        "credentialSubject": {"fhirVersion": FHIR_VERSION, "fhirBundle": bundle},
    }
    if rid is not None:
        credential["rid"] = rid
    payload["vc"] = credential
    kid = jwk.thumbprint(key.signer.public_key)
    text = jws.sign({"zip": "DEF", "kid": kid}, deflate.raw(jws.minified(payload)), key)
    return Issued(text, kid, issued, expires)


def revocation_identifier(secret: bytes, kid: str, person: str) -> str:
    """Return the `rid` of all cards of a person under one key: 64 bits of an HMAC-SHA-256, in Base64url.

    Nobody without `secret` learns the person from it, and the cards of one person under two keys are not linked.
    """
    return jwk.base64url(hmac.digest(secret + kid.encode(), person.encode(), "sha256")[:8])


def revocation_list(kid: str, counter: int, revoked: Iterable[tuple[str, datetime | None]]) -> dict[str, Any]:
    """Return the list published at `[issuer]/.well-known/crl/[kid].json`; a time revokes only cards from before it."""
    rids = sorted(rid if before is None else f"{rid}.{int(before.timestamp())}" for rid, before in revoked)
    return {"kid": kid, "method": "rid", "ctr": counter, "rids": rids}


def numeric(text: str) -> str:
    """Return a JWS as the text of one QR code: `shc:/` and two digits for each character."""
    return PREFIX + "".join(f"{ord(character) - _OFFSET:02d}" for character in text)


def file(cards: Iterable[str]) -> str:
    """Return the content of a `.smart-health-card` file with these JWS."""
    return json.dumps({"verifiableCredential": list(cards)}, separators=(",", ":"))


def unnumeric(codes: Sequence[str]) -> str:
    """Return the JWS in the text of one QR code, or of all the codes of a card that was cut in chunks, in any order.

    Raise Refused when one is no such text, or chunks are missing or belong to different cards.
    """
    if not 0 < len(codes) <= _MOST_CHUNKS:
        raise Refused("chunks", f"a card comes in 1 to {_MOST_CHUNKS} codes, not {len(codes)}")
    chunks: dict[int, str] = {}
    totals = set()
    for code in codes:
        number, total, digits = _chunk(code)
        totals.add(total)
        if chunks.setdefault(number, digits) != digits:
            raise Refused("chunks", f"two different codes call themselves number {number}")
    [total, *others] = totals
    if others:
        raise Refused("chunks", "the codes belong to different cards")
    if chunks.keys() != set(range(1, total + 1)):
        raise Refused("chunk-missing", f"{len(chunks)} of the {total} codes of this card are here")
    return "".join(_characters(chunks[number]) for number in range(1, total + 1))


def is_jws(text: str) -> bool:
    """Return whether `text` begins like a compact JWS: a JSON object in Base64url."""
    return text.startswith("eyJ") or (text[:1] == "e" and text[1:2] in _OBJECT and text.count(".") == 2)


def chunks_of(code: str) -> int:
    """Return of how many codes the card consists that `code` belongs to; raise Refused when it is no card's."""
    return _chunk(code)[1]


def in_file(content: str) -> tuple[str, ...]:
    """Return the JWS that a `.smart-health-card` file holds; raise Refused when it is none."""
    cards = jws.json_object(content.encode(), "not-health-card-file", "the file").get("verifiableCredential")
    if not isinstance(cards, list) or not cards or not all(isinstance(card, str) for card in cards):
        raise Refused("not-health-card-file", "the file lists no verifiableCredential")
    return tuple(cards)


def origin_problem(issuer: Any) -> str | None:
    """Return what is wrong with the address of an issuer; None when nothing is."""
    if not isinstance(issuer, str) or not issuer.startswith("https://"):
        return "the issuer is no https address"
    return "the address of the issuer ends in /" if issuer.endswith("/") else None


def _chunk(code: str) -> tuple[int, int, str]:
    found = _CHUNK.fullmatch(code)
    if found is None:
        raise Refused("not-numeric", "after shc:/ stand digits only")
    number, total, digits = int(found[1] or 1), int(found[2] or 1), found[3]
    if not 1 <= number <= total <= _MOST_CHUNKS:
        raise Refused("chunks", f"a code cannot be number {number} of {total}")
    return number, total, digits


def _characters(digits: str) -> str:
    if len(digits) % 2:
        raise Refused("numeric-odd", f"{len(digits)} digits cannot be pairs")
    values = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    if any(value > _LAST for value in values):
        raise Refused("numeric-pair", "two digits stand for a character that no JWS has")
    return "".join(chr(value + _OFFSET) for value in values)
