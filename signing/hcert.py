"""Judgement of HC1 certificates: DCC, DDCC and ICVP in a COSE_Sign1.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification
https://smart.who.int/trust/ — HCERT specification, section 3.2.7.1: what else may stand inside the claim -260
"""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from signing import base45, cbor, cose, cwt, hc1, icvp, revocation, schema
from signing import verification as found
from signing.algorithms import ES256, NAMES
from signing.cose import Sign1
from signing.cwt import Claims
from signing.deflate import inflate
from signing.judgement import Terms
from signing.refusal import Refused
from signing.trust import DocumentSigner
from signing.verification import NOT_REACHED, OK, Format, Stage, Verification

_FORMATS: dict[int, Format] = {cwt.DCC: "dcc", cwt.DDCC_VS: "ddcc", cwt.DDCC_TR: "ddcc", cwt.ICVP: "icvp"}


class _Content(NamedTuple):
    """What was signed: its format and itself as JSON, if it is a certificate."""

    stage: Stage
    payload: dict[str, Any] | None = None
    format: Format | None = None
    kinds: frozenset[str] | None = None  # v, t, r, as usages of keys distinguish them
    identifiers: tuple[str, ...] = ()


def verify(text: str, terms: Terms) -> Verification:
    """Verify the text of a code that begins with HC1:. Spaces count: nothing is trimmed. Never raises."""
    stage = "prefix"
    try:
        packed = hc1.unprefix(text)
        stage = "base45"
        compressed = base45.decode(packed)
        stage = "inflate"
        content = inflate(compressed)
        stage = "cbor"
        message = cose.parse(content)
        claims = cwt.parse(message.payload)
    except Refused as refusal:
        return found.stopped(found.failed(stage, refusal))
    return _judge(message, claims, terms)


def _judge(message: Sign1, claims: Claims, terms: Terms) -> Verification:
    algorithm = _algorithm(message)
    country = claims.issuer if isinstance(claims.issuer, str) else None
    key, candidates = _key(message, algorithm, country, terms)
    signer = next((signer for signer in candidates if cose.verifies(message, signer.public_key)), None)
    # A single candidate is judged even when the signature is not its own: whoever looks for the fault wants to know.
    presumed = signer or (candidates[0] if len(candidates) == 1 else None if candidates else terms.trust.only)
    content = _content(claims, terms)
    issued, expires = _times(claims, content)
    judged = (
        algorithm,
        key,
        found.signature(signer is not None, bool(candidates)),
        found.period(issued, expires, terms.now, terms.skew),
        found.signer_validity(presumed, terms.now, found.moment(expires)),
        found.key_usage(presumed, content.kinds),
        terms.revocation(
            revocation.hashes(country or "", content.identifiers, message.signature, halved=message.algorithm == ES256)
        ),
    )
    external = _external(message, claims) if terms.rulebook else {}
    rules = terms.rules(content.payload if content.format == "dcc" else None, external)
    return Verification(
        signer is not None and content.stage.ok is True and all(stage.ok is not False for stage in (*judged, rules)),
        signer is not None and content.payload is not None,
        (*found.UNWRAPPED, *judged, content.stage, rules),
        content.payload,
        country,
        found.moment(issued),
        found.moment(expires),
        b64encode(message.kid).decode() if message.kid else None,
        NAMES[message.algorithm] if algorithm.ok else None,
        signer,
        content.format,
    )


def _external(message: Sign1, claims: Claims) -> dict[str, Any]:
    """Return what business rules may ask of a certificate beside its content."""
    return {
        "issuerCountryCode": claims.issuer,
        "iat": _written(claims.issued),
        "exp": _written(claims.expires),
        "kid": b64encode(message.kid or b"").decode(),
    }


def _written(claim: Any) -> str | None:
    read = found.moment(found.time(claim))
    return read.isoformat() if read else None


def _algorithm(message: Sign1) -> Stage:
    try:
        cose.pinned(message.algorithm)
    except Refused as refusal:
        return found.failed("algorithm", refusal)
    return OK["algorithm"]


def _key(
    message: Sign1, algorithm: Stage, country: str | None, terms: Terms
) -> tuple[Stage, tuple[DocumentSigner, ...]]:
    """Return every listed signer that may have signed: the kid is only a hint, and its first 8 bytes are enough."""
    if not algorithm.ok:
        return NOT_REACHED["key"], ()
    if not message.kid:
        return Stage("key", False, "kid-missing", "the certificate does not say which key signed it"), ()
    known = terms.trust.find(message.kid)
    if not known:
        detail = f"no signer with key identifier {b64encode(message.kid).decode()} is on the trust list"
        return Stage("key", False, "unknown-signer", detail), ()
    fitting = tuple(signer for signer in known if signer.algorithm == message.algorithm)
    if not fitting:
        return Stage("key", False, "key-type-mismatch", "the signer's key is not for the algorithm named"), ()
    if len(fitting) > 1:
        fitting = tuple(sorted(fitting, key=lambda signer: signer.country != country))
    return OK["key"], fitting


def _content(claims: Claims, terms: Terms) -> _Content:
    kind, certificate = _certificate(claims)
    if kind is None or not isinstance(certificate, dict):
        return _Content(Stage("content", False, "no-certificate", "what was signed is no health certificate"))
    format = _FORMATS[kind]
    try:
        payload: dict[str, Any] = cbor.plain(certificate)
    except Refused as refusal:
        return _Content(found.failed("content", refusal), None, format)
    match format:
        case "dcc":
            problems, identifiers = schema.problems(payload), tuple(_identifiers(payload))
            kinds = frozenset(group for group in "vtr" if payload.get(group))
        case "icvp":
            problems, identifiers = icvp.problems(payload, terms.icvp_version), ()
            kinds = frozenset("v")
        case _:
            hcid = payload.get("hcid")
            problems, identifiers = (), (hcid,) if isinstance(hcid, str) else ()
            kinds = frozenset("t" if kind == cwt.DDCC_TR else "v")
    stage = Stage("content", True, "schema-warning", "; ".join(problems)) if problems else OK["content"]
    return _Content(stage, payload, format, kinds, identifiers)


def _certificate(claims: Claims) -> tuple[int | None, Any]:
    """Return which kind of certificate is inside, and itself; early DDCC are the claims themselves."""
    if isinstance(claims.hcert, dict):
        for kind in _FORMATS:
            if kind in claims.hcert:
                return kind, claims.hcert[kind]
        return None, None
    if isinstance(claims.bare.get("hcid"), str):
        return cwt.DDCC_VS, claims.bare
    return None, None


def _identifiers(payload: dict[str, Any]) -> Iterator[str]:
    for group in "vtr":
        entries = payload.get(group)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("ci"), str):
                yield entry["ci"]


def _times(claims: Claims, content: _Content) -> tuple[datetime | Stage | None, datetime | Stage | None]:
    """Return from when to when the certificate is valid; an early DDCC says it in its content, or not at all."""
    if content.format == "ddcc" and claims.hcert is None and claims.expires is None:
        payload = content.payload or {}
        return _day(payload.get("valid_from")), _day(payload.get("valid_until"))
    return found.time(claims.issued), found.time(claims.expires)


def _day(text: Any) -> datetime | Stage | None:
    if text is None:
        return None
    try:
        day = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return Stage("claims", False, "claims-not-a-time", f"{text!r:.40} is not a time")
    return day if day.tzinfo else day.replace(tzinfo=UTC)
