"""Judgement of visible digital seals (VDS-NC): the signer's certificate travels inside, a country vouches for it.

ICAO Technical Report VDS-NC, https://www.icao.int/Security/FAL/TRIP/Pages/Publications.aspx
"""

from typing import Any

from signing import revocation, vdsnc
from signing import trust as trusted
from signing import verification as found
from signing.judgement import Terms
from signing.refusal import Refused
from signing.trust import DocumentSigner
from signing.vdsnc import Seal
from signing.verification import NOT_APPLICABLE, NOT_REACHED, OK, Stage, Verification

_KINDS = {vdsnc.VACCINATION: "v", vdsnc.TEST: "t"}


def verify(text: str, terms: Terms) -> Verification:
    """Verify the JSON text of a seal. Never raises."""
    try:
        seal = vdsnc.parse(text)
    except Refused as refusal:
        return found.stopped(found.failed("cbor", refusal), OK | _NO_WRAPPING)
    return _judge(seal, terms)


_NO_WRAPPING = {stage: NOT_APPLICABLE[stage] for stage in ("base45", "inflate")}
_UNWRAPPED = (OK["prefix"], *_NO_WRAPPING.values(), OK["cbor"])


def _judge(seal: Seal, terms: Terms) -> Verification:
    algorithm = _algorithm(seal)
    key, signer = _key(seal, algorithm, terms)
    verified = signer is not None and vdsnc.verifies(seal, signer.public_key)
    content, kind = _content(seal)
    identifier = seal.message.get("uvci")
    issuer = seal.header.get("is")
    country = issuer if isinstance(issuer, str) else ""
    judged = (
        algorithm,
        key,
        found.signature(verified, signer is not None),
        NOT_APPLICABLE["claims"],  # a seal says neither when it was made nor until when it is valid
        found.signer_validity(signer, terms.now, None),
        _key_usage(signer, kind),
        terms.revocation(
            revocation.hashes(
                country, (identifier,) if isinstance(identifier, str) else (), seal.signature, halved=True
            )
        ),
    )
    return Verification(
        verified and content.ok is True and all(stage.ok is not False for stage in judged),
        verified,
        (*_UNWRAPPED, *judged, content, terms.rules(None, {})),
        seal.message,
        country or None,
        kid=signer.thumbprint if signer else None,
        algorithm=seal.algorithm if algorithm.ok else None,
        signer=signer if verified else None,
        format="vds-nc",
    )


def _algorithm(seal: Seal) -> Stage:
    if isinstance(seal.algorithm, str) and seal.algorithm in vdsnc.ALGORITHMS:
        return OK["algorithm"]
    detail = f"algorithm {seal.algorithm!r:.80} is none of {', '.join(vdsnc.ALGORITHMS)}"
    return Stage("algorithm", False, "unsupported-algorithm", detail)


def _key(seal: Seal, algorithm: Stage, terms: Terms) -> tuple[Stage, DocumentSigner | None]:
    if not algorithm.ok:
        return NOT_REACHED["key"], None
    if not seal.certificate:
        return Stage("key", False, "kid-missing", "the seal carries no certificate of its signer"), None
    try:
        trusted.document_signer(seal.certificate)
    except Refused as refusal:
        return found.failed("key", refusal), None
    signer = terms.trust.vouched(seal.certificate)
    if signer is None:
        detail = "the signer is not on the trust list, and no authority on it vouches for the signer"
        return Stage("key", False, "unknown-signer", detail), None
    if not vdsnc.fits(seal.algorithm, signer.public_key):
        return Stage("key", False, "key-type-mismatch", "the signer's key is not for the algorithm named"), None
    return OK["key"], signer


def _key_usage(signer: DocumentSigner | None, kind: str | None) -> Stage:
    """Return the stage that refuses a signer who is limited to others, or whom nobody appointed to sign seals.

    Who is on the list was chosen by name. But an authority signs many certificates, of passports and of officials too:
    that of a signer of seals or of health certificates says so.
    """
    stage = found.key_usage(signer, frozenset((kind,)) if kind else None)
    if signer is None or signer.listed or not stage.ok:
        return stage
    usages = signer.extended_key_usage
    if signer.signs_documents and (vdsnc.SIGNER_USAGE in usages or found.kinds_allowed(usages)):
        return stage
    detail = (
        f"the signer's certificate is not for seals (extended key usage {vdsnc.SIGNER_USAGE}) nor health certificates"
    )
    return Stage("key-usage", False, "wrong-key-usage", detail)


def _content(seal: Seal) -> tuple[Stage, str | None]:
    type: Any = seal.header.get("t")
    kind = _KINDS.get(type) if isinstance(type, str) else None
    if kind is None:
        return Stage("content", False, "no-certificate", f"a seal of type {type!r:.40} is no health certificate"), None
    problems = [f"{name}: is missing" for name in ("uvci", "pid") if name not in seal.message]
    if seal.header.get("v") != vdsnc.VERSION:
        problems.append(f"hdr.v: version {seal.header.get('v')!r:.20} is unknown")
    if problems:
        return Stage("content", True, "schema-warning", "; ".join(problems)), kind
    return OK["content"], kind
