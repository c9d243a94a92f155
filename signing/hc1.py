"""Health certificates as text: payload → CBOR → CWT → COSE_Sign1 → zlib → Base45 → "HC1:".

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#41-serialization
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from signing import base45, cose, cwt
from signing.deflate import compress
from signing.keys import SigningKey
from signing.refusal import Refused

PREFIX = "HC1:"
VALIDITY = 1  # year; Decision 5772/QĐ-BYT (2021): the code expires 12 months after it is made


class Issued(NamedTuple):
    """A certificate as it was issued."""

    text: str  # "HC1:…"
    kid: bytes
    issued: datetime
    expires: datetime
    signature: bytes


def issue(
    payload: Mapping[str, Any],
    key: SigningKey,
    now: datetime,
    issuer: str = "VN",
    *,
    kind: int = cwt.DCC,
    until: datetime | None = None,
) -> Issued:
    """Sign `payload` at `now` as a certificate of this `kind` (cwt.DCC, cwt.ICVP…), valid for 12 months or `until`.

    It never outlives the certificate of `key`; raise Refused when that does not cover `now`.
    """
    return issue_all([payload], key, now, issuer, kind=kind, until=until)[0]


def issue_all(
    payloads: Sequence[Mapping[str, Any]],
    key: SigningKey,
    now: datetime,
    issuer: str = "VN",
    *,
    kind: int = cwt.DCC,
    until: datetime | None = None,
) -> list[Issued]:
    """Do what `issue` does for each of `payloads`.

    Each step is taken for all of them before the next one: a processor that does the same again and again does it in
    two thirds of the time.
    """
    period = _period(now, until, key.signer.not_before, key.signer.not_after)
    claims = [cwt.encode(payload, issuer, *period.seconds, kind) for payload in payloads]
    messages = [cose.sign(key, each) for each in claims]
    packed = [compress(message) for message in messages]
    texts = [PREFIX + base45.encode(each) for each in packed]
    kid, size = key.kid, key.signature_size
    return [
        Issued(text, kid, period.issued, period.expires, message[-size:])
        for text, message in zip(texts, messages, strict=True)
    ]


def expiry(issued: datetime, key: SigningKey) -> datetime:
    """Return `issued` and 12 calendar months, but no later than the end of the certificate of `key`.

    Raise Refused when that certificate does not cover `issued`.
    """
    return _end(issued, key.signer.not_before, key.signer.not_after)


class _Period(NamedTuple):
    """From when to when a certificate is valid; in seconds since 1970, too."""

    issued: datetime
    expires: datetime
    seconds: tuple[int, int]


@lru_cache(maxsize=64)  # thousands are issued at one moment
def _period(now: datetime, until: datetime | None, not_before: datetime, not_after: datetime) -> _Period:
    issued = now.astimezone(UTC).replace(microsecond=0)
    expires = _end(issued, not_before, not_after)
    if until is not None:
        expires = max(issued, min(until.astimezone(UTC), not_after))
    return _Period(issued, expires, (int(issued.timestamp()), int(expires.timestamp())))


def _end(issued: datetime, not_before: datetime, not_after: datetime) -> datetime:
    if not not_before <= issued <= not_after:
        period = f"{not_before.isoformat()} to {not_after.isoformat()}"
        raise Refused("signer-not-valid", f"the signer's certificate covers {period}, not {issued.isoformat()}")
    try:
        later = issued.replace(year=issued.year + VALIDITY)
    except ValueError:  # 29 February
        later = issued.replace(year=issued.year + VALIDITY, day=28)
    return min(later, not_after)


def encode(
    payload: Mapping[str, Any],
    key: SigningKey,
    issued: int,
    expires: int,
    issuer: str = "VN",
    kind: int = cwt.DCC,
) -> str:
    """Return the signed text; times in seconds since 1970, taken as they are (`issue` is the one that judges them)."""
    return _text(cose.sign(key, cwt.encode(payload, issuer, issued, expires, kind)))


def _text(message: bytes) -> str:
    return PREFIX + base45.encode(compress(message))


def unprefix(text: str) -> str:
    """Return what follows "HC1:"; raise Refused when the text begins otherwise."""
    if text.startswith(PREFIX):
        return text[len(PREFIX) :]
    if text[: len(PREFIX)].upper() == PREFIX:
        raise Refused("prefix-lower-case", "the text begins with HC1: in small letters: it was altered on its way")
    raise Refused("prefix-missing", "the text does not begin with HC1:")
