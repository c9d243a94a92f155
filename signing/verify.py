"""Verification of a health certificate, stage by stage, offline: it never raises, whatever the text.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification
https://spec.smarthealth.cards/ and ICAO Technical Report VDS-NC

Which codes a stage may have: `verification.CODES`.
"""

from datetime import datetime, timedelta

from signing import card, hc1, hcert, icvp, seal, shc
from signing import verification as found
from signing.judgement import Terms
from signing.refusal import Refused
from signing.revocation import Revoked
from signing.rules import Rulebook
from signing.trust import TrustList
from signing.verification import SKEW, STAGES, Stage, Verification

__all__ = ["LONGEST", "SKEW", "STAGES", "Stage", "Terms", "Verification", "judge", "verify"]

LONGEST = 16 * 1024  # characters; the largest QR code holds 4,296
LONGEST_CARD = 128 * 1024  # a health card may be cut into several codes, or come as file


def verify(
    text: str | bytes,
    trust: TrustList,
    now: datetime,
    skew: timedelta = SKEW,
    *,
    revoked: Revoked | None = None,
    rulebook: Rulebook | None = None,
    icvp_version: icvp.Version = icvp.NEWEST,
) -> Verification:
    """Verify a certificate as a scanner delivers it (`HC1:…`, `shc:/…`, a JWS, a seal) at `now` (with a time zone).

    Of a `.smart-health-card` file the first card that is not valid is told, or else the first. Never raises on any
    text, and its time and memory are bounded.
    """
    return judge(text, Terms(trust, now, skew, revoked, rulebook, icvp_version))


def judge(text: str | bytes, terms: Terms) -> Verification:
    """Verify like `verify`, by terms that were made once for many certificates."""
    try:
        said = _text(text)
    except Refused as refusal:
        return found.stopped(found.failed("prefix", refusal))
    if said.startswith(hc1.PREFIX):
        return hcert.verify(said, terms)
    if said.startswith(shc.PREFIX) or shc.is_jws(said):
        return card.verify(said, terms)
    if said.startswith("{"):
        return _object(said, terms)
    return hcert.verify(said, terms)  # which says what is wrong with the beginning


def _object(text: str, terms: Terms) -> Verification:
    """Verify JSON: a file of health cards, or else a seal."""
    if '"verifiableCredential"' not in text:
        if len(text) > LONGEST:  # a seal is one code; what is remembered of its certificate stays small
            return found.stopped(found.failed("prefix", _too_long(LONGEST)))
        return seal.verify(text, terms)
    try:
        cards = shc.in_file(text)
    except Refused as refusal:
        return found.stopped(found.failed("base45", refusal))
    judged = [card.verify(text, terms) for text in cards]
    return next((one for one in judged if not one.valid), judged[0])


def _too_long(longest: int) -> Refused:
    return Refused("too-long", f"a certificate has at most {longest} characters")


def _text(text: str | bytes) -> str:
    longest = LONGEST_CARD if text[:1] in ("{", b"{") or text[:4] in (shc.PREFIX[:4], b"shc:") else LONGEST
    if len(text) > longest:
        raise _too_long(longest)
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8" if text[:1] == b"{" else "ascii")
        text[:longest].encode()
    except UnicodeError:
        raise Refused("not-text", "the certificate is no text") from None
    return text
