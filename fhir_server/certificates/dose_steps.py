"""The steps of a dose on its way to a certificate: entered, verified, signed by its facility, issued by the ministry.

Decision 5772/QĐ-BYT (2021) and Official Letter 1908/BYT-CNTT (2022); https://hl7.org/fhir/R4/provenance.html

Each step is a Provenance of the Immunization. It names the dose by the digest of what is attested of it, so that it
holds for that content and for no other: when a dose is corrected, nothing has to be taken back.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cryptography import x509

from fhir_server.certificates import attested, doses
from signing import chains, detached
from signing.chains import Authorities
from signing.refusal import Refused

Json = dict[str, Any]

STEP_SYSTEM: Final = "https://fhir.tiemchung.vn/CodeSystem/dose-step"
METHOD_SYSTEM: Final = "https://fhir.tiemchung.vn/CodeSystem/verification-method"
DIGEST_SYSTEM: Final = "https://fhir.tiemchung.vn/sid/sha-256"
ROLE_SYSTEM: Final = "https://fhir.tiemchung.vn/CodeSystem/organization-role"
SIGNS_FOR: Final = "dose-signer"  # OrganizationAffiliation.code: the one organisation signs doses of the other
METHODS: Final = ("population-database", "identity-document", "paper-record", "person-present")
_SIGNATURE_TYPE: Final = {"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}  # author's
_AGENTS: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class Step(StrEnum):
    """How far a dose has come."""

    ENTERED = "entered"
    VERIFIED = "verified"
    SIGNED = "signed"
    ISSUED = "issued"


class Mark(NamedTuple):
    """Who did a step, when, and how (a method, or the subject of the signer's certificate)."""

    by: str
    at: str
    how: str


class State(NamedTuple):
    """What is known of a dose: the marks that hold for it as it is now, and why a signature does not count."""

    verified: Mark | None = None
    signed: Mark | None = None
    refused: Refused | None = None

    @property
    def step(self) -> Step:
        """Return how far the dose has come, without asking whether a certificate was issued."""
        return Step.SIGNED if self.signed else Step.VERIFIED if self.verified else Step.ENTERED


class Register(NamedTuple):
    """Who may sign: the organisations by id, who signs for whom, and the authorities that are trusted."""

    organizations: Mapping[str, Mapping[str, Any]]
    affiliations: Sequence[Mapping[str, Any]]
    authorities: Authorities


def verification(immunization: Mapping[str, Any], by: str, method: str, at: str) -> Json:
    """Return the Provenance that says: `by` (a reference) has verified this dose, by `method`."""
    return {
        **_provenance(immunization, Step.VERIFIED, by, "verifier", at),
        "reason": [{"coding": [{"system": METHOD_SYSTEM, "code": method}]}],
    }


def signature(immunization: Mapping[str, Any], by: str, jws: str, at: str) -> Json:
    """Return the Provenance that keeps the signature of an organisation, `by` (a reference), over this dose."""
    signed = {
        "type": [_SIGNATURE_TYPE],
        "when": at,
        "who": {"reference": by},
        "targetFormat": "application/json",  # canonical: RFC 8785
        "sigFormat": "application/jose",
        "data": b64encode(jws.encode()).decode(),
    }
    return {**_provenance(immunization, Step.SIGNED, by, "attester", at), "signature": [signed]}


def state(immunization: Mapping[str, Any], provenances: Sequence[Mapping[str, Any]], register: Register) -> State:
    """Return what `provenances`, the newest first, say of the dose as it is now."""
    content = attested.signing_input(immunization)
    digest = sha256(content).hexdigest()
    verified: Mark | None = None
    refused: Refused | None = None
    for provenance in provenances:
        step = _step(provenance)
        if step not in (Step.VERIFIED, Step.SIGNED) or not _names(provenance, str(immunization.get("id"))):
            continue
        if digest not in _digests(provenance):
            refused = refused or (
                Refused("altered", "the dose was altered after it was signed") if step == "signed" else None
            )
        elif step == Step.VERIFIED:
            verified = verified or _verified(provenance)
        else:
            try:
                return State(
                    verified or _earlier(provenances, digest), _signed(immunization, content, provenance, register)
                )
            except Refused as refusal:
                refused = refused or refusal
    return State(verified, None, refused)


def require_signed(immunization: Mapping[str, Any], jws: str, by: str, at: datetime, register: Register) -> str:
    """Return the subject of the certificate that signed the dose for `by` (a reference to an Organization).

    Raise Refused unless the signature covers the dose as it is, its chain is trusted `at` that moment, and the
    certificate is that of `by`, which is the facility of the dose or signs for it.
    """
    content = attested.signing_input(immunization)
    return _subject(_require_signed(immunization, content, jws, by, at, register))


def _require_signed(
    immunization: Mapping[str, Any], content: bytes, jws: str, by: str, at: datetime, register: Register
) -> x509.Certificate:
    """Do what `require_signed` does over `content`, what is attested of the dose; return the certificate."""
    chain = detached.verify(detached.parse(jws), content)
    chains.require_trusted(chain, register.authorities, at)
    facility = doses.facility(immunization)
    if facility is None:
        raise Refused("facility-unknown", "the dose names no organisation that performed it")
    kind, _, id = by.partition("/")
    organization = register.organizations.get(id) if kind == "Organization" else None
    if organization is None:
        raise Refused("signer-unknown", f"{by} is no organisation that is recorded here")
    own = {row.get("value") for row in organization.get("identifier", ())}
    if not own & chains.identifiers(chain[0]):
        raise Refused("signer-mismatch", f"the certificate names none of the identifiers of {by}")
    _require_may_sign(id, facility, at, register)
    return chain[0]


@lru_cache(maxsize=1024)
def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _require_may_sign(signer: str, facility: str, at: datetime, register: Register) -> None:
    if signer == facility:
        return
    for row in register.affiliations:
        pair = (_id(row.get("organization")), _id(row.get("participatingOrganization")))
        if pair == (signer, facility) and row.get("active") is True and _signs_for(row) and _within(row, at):
            return
    raise Refused("signer-not-delegated", f"Organization/{signer} does not sign for Organization/{facility}")


def _signs_for(affiliation: Mapping[str, Any]) -> bool:
    codings = [coding for concept in affiliation.get("code", ()) for coding in concept.get("coding", ())]
    return any((row.get("system"), row.get("code")) == (ROLE_SYSTEM, SIGNS_FOR) for row in codings)


def _within(affiliation: Mapping[str, Any], at: datetime) -> bool:
    period, day = affiliation.get("period", {}), at.date().isoformat()
    return str(period.get("start", ""))[:10] <= day <= (str(period.get("end", ""))[:10] or "9999")


def _provenance(immunization: Mapping[str, Any], step: Step, by: str, role: str, at: str) -> Json:
    target = {
        "reference": f"Immunization/{immunization['id']}",
        "identifier": {"system": DIGEST_SYSTEM, "value": attested.digest(immunization)},
    }
    return {
        "resourceType": "Provenance",
        "target": [target],
        "recorded": at,
        "activity": {"coding": [{"system": STEP_SYSTEM, "code": step.value}]},
        "agent": [{"type": {"coding": [{"system": _AGENTS, "code": role}]}, "who": {"reference": by}}],
    }


def _earlier(provenances: Iterable[Mapping[str, Any]], digest: str) -> Mark | None:
    found = (each for each in provenances if _step(each) == Step.VERIFIED and digest in _digests(each))
    return next((_verified(each) for each in found), None)


def _verified(provenance: Mapping[str, Any]) -> Mark:
    reasons = [coding.get("code") for row in provenance.get("reason", ()) for coding in row.get("coding", ())]
    return Mark(_agent(provenance), str(provenance.get("recorded")), str(next(iter(reasons), "")))


def _signed(immunization: Mapping[str, Any], content: bytes, provenance: Mapping[str, Any], register: Register) -> Mark:
    row: Mapping[str, Any] = next(iter(provenance.get("signature", ())), {})
    by, when = str(row.get("who", {}).get("reference")), str(row.get("when"))
    try:
        text = b64decode(row.get("data", "")).decode("ascii")
        at = datetime.fromisoformat(when)
    except ValueError:
        raise Refused("not-detached-jws", "the signature cannot be read") from None
    return Mark(by, when, _subject(_require_signed(immunization, content, text, by, at, register)))


def _step(provenance: Mapping[str, Any]) -> str | None:
    codings = provenance.get("activity", {}).get("coding", ())
    return next((row.get("code") for row in codings if row.get("system") == STEP_SYSTEM), None)


def _names(provenance: Mapping[str, Any], id: str) -> bool:
    return any(_id(row) == id for row in provenance.get("target", ()))


def _digests(provenance: Mapping[str, Any]) -> set[Any]:
    named = [row.get("identifier", {}) for row in provenance.get("target", ())]
    return {row.get("value") for row in named if row.get("system") == DIGEST_SYSTEM}


def _agent(provenance: Mapping[str, Any]) -> str:
    agent: Mapping[str, Any] = next(iter(provenance.get("agent", ())), {})
    return str(agent.get("who", {}).get("reference", ""))


def _id(reference: Any) -> str | None:
    """Return the id in `Type/id` or `Type/id/_history/version`."""
    parts = str(reference.get("reference", "")).split("/") if isinstance(reference, Mapping) else []
    return parts[1] if len(parts) > 1 else None
