"""The content of a SMART Health Card: a minimal Bundle of the person and the doses, nothing that no verifier needs.

https://spec.smarthealth.cards/#modeling-verifiable-credentials-in-fhir and the draft of VN Core 0.6.0,
http://fhir.hl7.org.vn/core/StructureDefinition/vn-core-health-credential-bundle: Bundle.type is collection

A card may hold doses against any disease, of any vaccine.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fhir_server.certificates import dcc, doses, names
from fhir_server.certificates.doses import Dose
from fhir_server.outcome import Issue, Unprocessable
from terminology.vaccines import ATC

_PERSON: Final = "resource:0"
_PARTS: Final = ("doseNumberPositiveInt", "seriesDosesPositiveInt", "doseNumberString", "seriesDosesString")
SYSTEMS: Final = ("http://hl7.org/fhir/sid/cvx", "http://snomed.info/sct", "http://www.whocc.no/atc")


def attested(target: str | None, immunizations: Sequence[Mapping[str, Any]]) -> list[Dose]:
    """Return the completed doses against `target`, or (None) against anything, the latest last.

    Raise Unprocessable when there is none.
    """
    if target is not None:
        found = doses.counted(doses.against(target, immunizations))
    else:
        found = doses.counted_of_all(immunizations)
    if not found:
        en = "The person has no completed dose that a health card could hold: record it as an Immunization first"
        vi = "Người này chưa có mũi tiêm hoàn thành nào để ghi vào thẻ sức khỏe: hãy ghi nhận mũi tiêm trước"
        issue = Issue("error", "business-rule", en, vi, "Immunization.status", "shc-no-dose")
        raise Unprocessable(en, issues=[issue])
    return found


def bundle(
    patient: Mapping[str, Any],
    given: Sequence[Dose],
    *,
    identity: Iterable[str] = ("Patient.name", "Patient.birthDate"),
) -> dict[str, Any]:
    """Return the Bundle; raise Unprocessable when the person's name or birth date is missing.

    `identity` names further elements of the Patient that are wanted: identifier, gender, telecom.
    """
    name = names.choose(patient.get("name", ()))
    problems = [*([] if name else [dcc.NO_NAME]), *([] if patient.get("birthDate") else [dcc.NO_BIRTH_DATE])]
    if name is None or problems:
        raise Unprocessable("No health card can be issued from these records", issues=problems)
    person = {
        "resourceType": "Patient",
        "name": [{"family": name.fn, **({"given": name.gn.split(" ")} if name.gn else {})}],
        "birthDate": patient["birthDate"],
    }
    wanted = {claim.removeprefix("Patient.") for claim in identity}
    if "gender" in wanted and "gender" in patient:
        person["gender"] = patient["gender"]
    if "identifier" in wanted and (own := _identifiers(patient)):
        person["identifier"] = own
    if "telecom" in wanted and "telecom" in patient:
        person["telecom"] = [_only(row, ("system", "value")) for row in patient["telecom"]]
    resources = [person, *(_dose(each) for each in given)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"resource:{place}", "resource": resource} for place, resource in enumerate(resources)],
    }


def _dose(dose: Dose) -> dict[str, Any]:
    immunization = dose.immunization
    codings = [
        _only(coding, ("system", "code"))
        for coding in immunization.get("vaccineCode", {}).get("coding", ())
        if coding.get("system") and coding.get("code")
    ]
    # ATC names groups of vaccines: beside a product it says nothing new, and a QR code is small.
    telling = [coding for coding in codings if coding["system"] != ATC] or codings
    written: dict[str, Any] = {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": telling},
        "patient": {"reference": _PERSON},
        "occurrenceDateTime": dose.day,
    }
    if lot := immunization.get("lotNumber"):
        written["lotNumber"] = lot
    if facility := doses.facility_name(immunization):
        written["performer"] = [{"actor": {"display": facility}}]
    protocols = [_only(row, _PARTS) for row in immunization.get("protocolApplied", ())[:1]]
    if protocols and protocols[0].get("doseNumberPositiveInt"):
        written["protocolApplied"] = protocols
    return written


def _identifiers(patient: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_only(row, ("system", "value")) for row in patient.get("identifier", ()) if row.get("value")]


def _only(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}
