"""What verification finds: one stage after the other, each with its result, and what the certificate says.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from signing.refusal import Refused
from signing.trust import DocumentSigner

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
UNWRAPPING = STAGES[:4]

# The stable codes of each stage beside `ok`, `not-reached` (an earlier failure hides it) and `not-applicable` (the
# format has no such step). A stage passes with those in PASSING and is undecided with those in UNDECIDED.
CODES = {
    "prefix": ("too-long", "not-text", "prefix-missing", "prefix-lower-case"),
    "base45": (  # of health cards the two digits and Base64url that stand in its place
        *("base45-character", "base45-length", "base45-value"),
        *("not-numeric", "numeric-odd", "numeric-pair", "chunks", "chunk-missing"),
        *("not-jws", "not-base64url", "critical-header", "not-health-card-file"),
    ),
    "inflate": (
        *("not-zlib", "zlib-truncated", "zlib-trailing", "inflated-too-long"),
        *("zip-missing", "zip-unknown", "not-deflate", "deflate-truncated", "deflate-trailing"),
    ),
    "cbor": (  # of the others the JSON
        *("not-cbor", "cbor-trailing", "not-cose-sign1", "critical-header", "not-cwt"),
        *("not-json", "not-vds-nc", "not-base64url", "not-canonical"),
    ),
    "algorithm": ("unsupported-algorithm",),
    "key": (
        *("kid-missing", "unknown-signer", "key-type-mismatch", "wrong-origin", "origin-not-pinned"),
        *("not-a-certificate", "unreadable-key"),
    ),
    "signature": ("bad-signature", "signature-length"),
    "claims": ("claims-missing", "claims-not-a-time", "issued-in-future", "expired", "issuer-url"),
    "signer-validity": ("signer-not-yet-valid", "signer-expired", "outlives-signer"),
    "key-usage": ("wrong-key-usage",),
    "revocation": ("revoked", "not-checked", "list-missing", "list-outdated"),
    "content": ("no-certificate", "not-json", "schema-warning"),
    "rules": ("rule-failed", "not-checked", "no-rules", "rules-open"),
}
GENERAL = ("ok", "not-reached", "not-applicable")
PASSING = ("ok", "origin-not-pinned", "outlives-signer", "schema-warning")
UNDECIDED = ("not-reached", "not-applicable", "not-checked", "list-missing", "list-outdated", "no-rules", "rules-open")
SKEW = timedelta(minutes=5)  # by which an issuer's clock may be ahead of ours
Format = Literal["dcc", "ddcc", "icvp", "shc", "vds-nc"]

# HCERT A.4; the second arc is a misprint that many states' certificates carry.
_USAGES = {
    arc + number: kind
    for arc in ("1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1.")
    for number, kind in (("1", "t"), ("2", "v"), ("3", "r"))
}


class Stage(NamedTuple):
    """One step: `ok` is None when it was not checked, not reached, or this format has no such step."""

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
    kid: str | None = None  # Base64; of a health card the thumbprint
    algorithm: str | None = None
    signer: DocumentSigner | None = None
    format: Format | None = None

    @property
    def readable(self) -> bool:
        """Return whether the text is a health certificate at all, good or bad."""
        return self.stages[len(UNWRAPPING) - 1].ok is True

    @property
    def failure(self) -> Stage | None:
        """Return the first stage that failed; None when none did."""
        return next((stage for stage in self.stages if stage.ok is False), None)


OK = {stage: Stage(stage, True, "ok") for stage in STAGES}
NOT_REACHED = {stage: Stage(stage, None, "not-reached") for stage in STAGES}
NOT_APPLICABLE = {stage: Stage(stage, None, "not-applicable") for stage in STAGES}
UNWRAPPED = tuple(OK[stage] for stage in UNWRAPPING)
NO_REVOCATION = Stage("revocation", None, "not-checked", "no revocation list was consulted")
NO_RULES = Stage("rules", None, "not-checked", "no business rules were applied")


def failed(stage: str, refusal: Refused) -> Stage:
    """Return `stage` as refused."""
    return Stage(stage, False, refusal.code, refusal.detail)


def stopped(at: Stage, passed: Mapping[str, Stage] = OK) -> Verification:
    """Return a verification that ended with the stage `at`: those before it passed, those after it were not reached."""
    place = STAGES.index(at.stage)
    stages = (
        *(passed[stage] for stage in STAGES[:place]),
        at,
        *(NOT_REACHED[stage] for stage in STAGES[place + 1 :]),
    )
    return Verification(False, False, stages)


def signature(verified: bool, tried: bool) -> Stage:
    """Return the stage of the signature, which needs a key to be tried."""
    if verified:
        return OK["signature"]
    if not tried:
        return NOT_REACHED["signature"]
    return Stage("signature", False, "bad-signature", "the certificate was altered or was not signed by this signer")


def period(issued: datetime | Stage | None, expires: datetime | Stage | None, now: datetime, skew: timedelta) -> Stage:
    """Return the stage of the claims: a time that could not be read, or `now` before or after the period."""
    if isinstance(issued, Stage):
        return issued
    if isinstance(expires, Stage):
        return expires
    if issued is not None and issued - now > skew:  # not a sum, which may be no date any more
        return Stage("claims", False, "issued-in-future", f"issued at {issued.isoformat()}")
    if expires is not None and now > expires:
        return Stage("claims", False, "expired", f"expired at {expires.isoformat()}")
    return OK["claims"]


def signer_validity(signer: DocumentSigner | None, now: datetime, expires: datetime | None) -> Stage:
    """Return the stage that compares `now` with the period of the signer's certificate."""
    if signer is None:
        return NOT_REACHED["signer-validity"]
    if now < signer.not_before:
        detail = f"the signer's certificate is valid from {signer.not_before.isoformat()}"
        return Stage("signer-validity", False, "signer-not-yet-valid", detail)
    if now > signer.not_after:
        detail = f"the signer's certificate was valid until {signer.not_after.isoformat()}"
        return Stage("signer-validity", False, "signer-expired", detail)
    if expires and expires > signer.not_after:
        detail = f"the certificate claims to outlive its signer, who ends at {signer.not_after.isoformat()}"
        return Stage("signer-validity", True, "outlives-signer", detail)
    return OK["signer-validity"]


def key_usage(signer: DocumentSigner | None, kinds: frozenset[str] | None) -> Stage:
    """Return the stage that refuses a signer limited to other `kinds` (v, t, r); None: the content is unknown.

    Usages foreign to health certificates limit nothing.
    """
    if signer is None:
        return NOT_REACHED["key-usage"]
    allowed = kinds_allowed(signer.extended_key_usage)
    if not allowed or kinds is None or (kinds and kinds <= allowed):
        return OK["key-usage"]
    detail = f"the signer may only sign the kinds {', '.join(sorted(allowed))} (v vaccination, t test, r recovery)"
    return Stage("key-usage", False, "wrong-key-usage", detail)


@lru_cache(maxsize=64)
def kinds_allowed(usages: frozenset[str]) -> frozenset[str]:
    """Return the kinds (v, t, r) that extended key usages limit a signer to; none: it is not limited."""
    return frozenset(_USAGES[usage] for usage in usages if usage in _USAGES)


def time(claim: Any) -> datetime | Stage:
    """Return a numeric claim as a time, or the stage that says why it is none."""
    if type(claim) not in (int, float):
        return Stage("claims", False, "claims-missing", "a time claim is missing or is not a number")
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (ValueError, OverflowError, OSError):
        return Stage("claims", False, "claims-not-a-time", f"{claim!r:.40} is not a time")


def moment(found: datetime | Stage | None) -> datetime | None:
    """Return a time that could be read; None for any other."""
    return found if isinstance(found, datetime) else None
