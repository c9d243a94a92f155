"""Verification of a health certificate, stage by stage, offline: it never raises, whatever the text.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification

stage: codes when it fails (`ok` when it passes, `not-reached` when an earlier failure hides it)

- prefix: too-long, not-text, prefix-missing, prefix-lower-case
- base45: base45-character, base45-length, base45-value
- inflate: not-zlib, zlib-truncated, zlib-trailing, inflated-too-long
- cbor: not-cbor, cbor-trailing, not-cose-sign1, critical-header, not-cwt
- algorithm: unsupported-algorithm
- key: kid-missing, unknown-signer, key-type-mismatch
- signature: bad-signature
- claims: claims-missing, claims-not-a-time, issued-in-future, expired
- signer-validity: signer-not-yet-valid, signer-expired (it passes with `outlives-signer`)
- key-usage: wrong-key-usage
- revocation: always `not-checked`, no revocation list is consulted
- content: no-dcc, not-json (it passes with `schema-warning`)
- rules: always `not-checked`, no business rules are applied
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from signing import base45, cbor, cose, cwt, hc1, schema
from signing.algorithms import NAMES
from signing.cose import Sign1
from signing.cwt import Claims
from signing.inflate import inflate
from signing.refusal import Refused
from signing.trust import DocumentSigner, TrustList

STAGES = (
    "prefix",
    "base45",
    "inflate",
    "cbor",
    "algorithm",
    "key",
    "signature",
    "claims",
    "signer-validity",
    "key-usage",
    "revocation",
    "content",
    "rules",
)
_CBOR = STAGES.index("cbor")
LONGEST = 16 * 1024  # characters; the largest QR code holds 4,296
SKEW = timedelta(minutes=5)  # by which an issuer's clock may be ahead of ours

# HCERT A.4; the second arc is a misprint that many states' certificates carry.
_USAGES = {
    arc + number: kind
    for arc in ("1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1.")
    for number, kind in (("1", "t"), ("2", "v"), ("3", "r"))
}


class Stage(NamedTuple):
    """One step: `ok` is None when it was not checked or not reached."""

    stage: str
    ok: bool | None
    code: str
    detail: str = ""


class Verification(NamedTuple):
    """What was found. `content` is the certificate as JSON; believe it only when `valid`.

    `trusted` says that the signature of a listed signer covers `content`, which may yet be expired.
    """

    valid: bool
    trusted: bool
    stages: tuple[Stage, ...]  # one for each name in STAGES, in that order
    content: dict[str, Any] | None = None
    issuer: str | None = None
    issued: datetime | None = None
    expires: datetime | None = None
    kid: str | None = None  # Base64
    algorithm: str | None = None
    signer: DocumentSigner | None = None

    @property
    def readable(self) -> bool:
        """Return whether the text is a health certificate at all, good or bad."""
        return self.stages[_CBOR].ok is True

    @property
    def failure(self) -> Stage | None:
        """Return the first stage that failed; None when none did."""
        return next((stage for stage in self.stages if stage.ok is False), None)


_OK = {stage: Stage(stage, True, "ok") for stage in STAGES}
_NOT_REACHED = {stage: Stage(stage, None, "not-reached") for stage in STAGES}
_UNWRAPPED = tuple(_OK[stage] for stage in STAGES[:4])
_REVOCATION = Stage("revocation", None, "not-checked", "no revocation list was consulted")
_RULES = Stage("rules", None, "not-checked", "no business rules were applied")


def verify(text: str | bytes, trust: TrustList, now: datetime, skew: timedelta = SKEW) -> Verification:
    """Verify a certificate as a scanner delivers it, "HC1:…", against `trust` at `now` (with a time zone).

    Spaces count: nothing is trimmed. Never raises on any text, and its time and memory are bounded.
    """
    stage = "prefix"
    try:
        packed = hc1.unprefix(_text(text))
        stage = "base45"
        compressed = base45.decode(packed)
        stage = "inflate"
        content = inflate(compressed)
        stage = "cbor"
        message = cose.parse(content)
        claims = cwt.parse(message.payload)
    except Refused as refusal:
        return Verification(False, False, _stopped(Stage(stage, False, refusal.code, refusal.detail)))
    return _judge(message, claims, trust, now, skew)


def _text(text: str | bytes) -> str:
    if len(text) > LONGEST:
        raise Refused("too-long", f"a certificate has at most {LONGEST} characters")
    if isinstance(text, str):
        return text
    try:
        return text.decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused("not-text", f"byte {error.start} is not ASCII") from None


def _judge(message: Sign1, claims: Claims, trust: TrustList, now: datetime, skew: timedelta) -> Verification:
    algorithm = _algorithm(message)
    country = claims.issuer if isinstance(claims.issuer, str) else None
    key, candidates = _key(message, algorithm, country, trust)
    signer = next((signer for signer in candidates if cose.verifies(message, signer.public_key)), None)
    # A single candidate is judged even when the signature is not its own: whoever looks for the fault wants to know.
    presumed = signer or (candidates[0] if len(candidates) == 1 else None)
    content, payload = _content(claims)
    issued, expires = _time(claims.issued), _time(claims.expires)
    judged = (
        algorithm,
        key,
        _signature(signer, candidates),
        _claims(issued, expires, now, skew),
        _signer_validity(presumed, now, expires if isinstance(expires, datetime) else None),
        _key_usage(presumed, payload),
    )
    return Verification(
        content.ok is True and all(stage.ok for stage in judged),
        signer is not None and payload is not None,
        (*_UNWRAPPED, *judged, _REVOCATION, content, _RULES),
        payload,
        country,
        issued if isinstance(issued, datetime) else None,
        expires if isinstance(expires, datetime) else None,
        b64encode(message.kid).decode() if message.kid else None,
        NAMES[message.algorithm] if algorithm.ok else None,
        signer,
    )


def _algorithm(message: Sign1) -> Stage:
    try:
        cose.pinned(message.algorithm)
    except Refused as refusal:
        return Stage("algorithm", False, refusal.code, refusal.detail)
    return _OK["algorithm"]


def _key(
    message: Sign1, algorithm: Stage, country: str | None, trust: TrustList
) -> tuple[Stage, tuple[DocumentSigner, ...]]:
    """Return every listed signer that may have signed: the kid is only a hint, and its first 8 bytes are enough."""
    if not algorithm.ok:
        return _NOT_REACHED["key"], ()
    if not message.kid:
        return Stage("key", False, "kid-missing", "the certificate does not say which key signed it"), ()
    known = trust.find(message.kid)
    if not known:
        detail = f"no signer with key identifier {b64encode(message.kid).decode()} is on the trust list"
        return Stage("key", False, "unknown-signer", detail), ()
    fitting = tuple(signer for signer in known if signer.algorithm == message.algorithm)
    if not fitting:
        return Stage("key", False, "key-type-mismatch", "the signer's key is not for the algorithm named"), ()
    if len(fitting) > 1:
        fitting = tuple(sorted(fitting, key=lambda signer: signer.country != country))
    return _OK["key"], fitting


def _signature(signer: DocumentSigner | None, candidates: tuple[DocumentSigner, ...]) -> Stage:
    if signer:
        return _OK["signature"]
    if not candidates:
        return _NOT_REACHED["signature"]
    return Stage("signature", False, "bad-signature", "the certificate was altered or was not signed by this signer")


def _claims(issued: datetime | Stage, expires: datetime | Stage, now: datetime, skew: timedelta) -> Stage:
    if isinstance(issued, Stage):
        return issued
    if isinstance(expires, Stage):
        return expires
    if issued > now + skew:
        return Stage("claims", False, "issued-in-future", f"issued at {issued.isoformat()}")
    if now > expires:
        return Stage("claims", False, "expired", f"expired at {expires.isoformat()}")
    return _OK["claims"]


def _signer_validity(signer: DocumentSigner | None, now: datetime, expires: datetime | None) -> Stage:
    if signer is None:
        return _NOT_REACHED["signer-validity"]
    if now < signer.not_before:
        detail = f"the signer's certificate is valid from {signer.not_before.isoformat()}"
        return Stage("signer-validity", False, "signer-not-yet-valid", detail)
    if now > signer.not_after:
        detail = f"the signer's certificate was valid until {signer.not_after.isoformat()}"
        return Stage("signer-validity", False, "signer-expired", detail)
    if expires and expires > signer.not_after:
        detail = f"the certificate claims to outlive its signer, who ends at {signer.not_after.isoformat()}"
        return Stage("signer-validity", True, "outlives-signer", detail)
    return _OK["signer-validity"]


def _key_usage(signer: DocumentSigner | None, payload: Mapping[str, Any] | None) -> Stage:
    """Refuse a signer limited to other kinds of certificates; usages foreign to health certificates limit nothing."""
    if signer is None:
        return _NOT_REACHED["key-usage"]
    allowed = _allowed(signer.extended_key_usage)
    if not allowed or payload is None:
        return _OK["key-usage"]
    kinds = {kind for kind in "vtr" if payload.get(kind)}
    if kinds and kinds <= allowed:
        return _OK["key-usage"]
    detail = f"the signer may only sign the kinds {', '.join(sorted(allowed))} (v vaccination, t test, r recovery)"
    return Stage("key-usage", False, "wrong-key-usage", detail)


@lru_cache(maxsize=64)
def _allowed(usages: frozenset[str]) -> frozenset[str]:
    return frozenset(_USAGES[usage] for usage in usages if usage in _USAGES)


def _content(claims: Claims) -> tuple[Stage, dict[str, Any] | None]:
    dcc = claims.hcert.get(cwt.DCC) if isinstance(claims.hcert, dict) else None
    if not isinstance(dcc, dict):
        return Stage("content", False, "no-dcc", "the certificate holds no EU Digital COVID Certificate"), None
    try:
        payload: dict[str, Any] = cbor.plain(dcc)
    except Refused as refusal:
        return Stage("content", False, refusal.code, refusal.detail), None
    problems = schema.problems(payload)
    if problems:
        return Stage("content", True, "schema-warning", "; ".join(problems)), payload
    return _OK["content"], payload


def _time(claim: Any) -> datetime | Stage:
    try:
        return cwt.time(claim)
    except Refused as refusal:
        return Stage("claims", False, refusal.code, refusal.detail)


def _stopped(failed: Stage) -> tuple[Stage, ...]:
    """Return every stage in order: those before `failed` passed, those after it were not reached."""
    at = STAGES.index(failed.stage)
    return (*_UNWRAPPED[:at], failed, *(Stage(stage, None, "not-reached") for stage in STAGES[at + 1 :]))
