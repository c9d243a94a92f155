"""The ministry's draft, when it is asked for: https://github.com/hl7vn/vn-core-ig (8e6b6e0)"""

from pathlib import Path
from typing import Any

import pytest

import profiles
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts, package
from fhir_server.validation import Validator

DRAFT = "http://fhir.ehealth.gov.vn/core"
COMMUNITY = "http://fhir.hl7.org.vn/core"
DEFINITIONS = [
    resource for resource in profiles.resources("moh-ehealth") if resource["resourceType"] == "StructureDefinition"
]
CODE = {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "08"}]}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [
        {
            "use": "official",
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NI"}]},
            "system": f"{DRAFT}/sid/national_id",
            "value": "001085012345",
        }
    ],
    "name": [{"text": "Nguyễn Văn An", "given": ["An"]}],
    "gender": "male",
    "birthDate": "1985-03-15",
    "address": [{"text": "Hà Nội"}],
}
DOSE: dict[str, Any] = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": CODE,
    "patient": {"reference": "Patient/an"},
    "encounter": {"reference": "Encounter/1"},
    "occurrenceDateTime": "2026-03-20",
    "manufacturer": {"display": "VABIOTECH"},
    "performer": [{"actor": {"reference": "Practitioner/hoa"}}],
}


@pytest.fixture(scope="module")
def validator() -> Validator:
    draft = package.read(Path("moh-ehealth"))  # by its name, as a setting or `package add` gives it
    return Validator(Definitions(core_facts(), [*profiles.resources(), *draft]))


def errors(validator: Validator, resource: dict[str, Any], profile: str) -> set[str | None]:
    """Return the rules that are broken."""
    read = wire.loads(wire.dumps({name: value for name, value in resource.items() if value is not None}))
    found = validator.validate(read, [f"{DRAFT}/StructureDefinition/{profile}"]).issues
    return {issue.rule for issue in found if issue.severity == "error"}


@pytest.mark.parametrize(
    ("resource", "profile"), [(PATIENT, "vn-core-patient"), (DOSE, "vn-core-immunization")], ids=["Patient", "dose"]
)
def test_what_the_draft_allows_is_accepted(resource: dict[str, Any], profile: str, validator: Validator) -> None:
    assert errors(validator, resource, profile) == set()


@pytest.mark.parametrize(
    ("resource", "profile", "changes", "rule"),
    [
        (PATIENT, "vn-core-patient", {"gender": None}, "Patient.gender:min"),
        (PATIENT, "vn-core-patient", {"birthDate": None}, "Patient.birthDate:min"),
        (PATIENT, "vn-core-patient", {"name": [{"given": ["An"]}]}, "Patient.name.text:min"),
        (PATIENT, "vn-core-patient", {"address": [{"city": "Hà Nội"}]}, "Address.text:min"),
        (
            PATIENT,
            "vn-core-patient",
            {"identifier": [PATIENT["identifier"][0] | {"use": "old"}]},
            "Patient.identifier:TheCCCD.use:fixed",
        ),
        (DOSE, "vn-core-immunization", {"encounter": None}, "Immunization.encounter:min"),
        (
            DOSE,
            "vn-core-immunization",
            {"manufacturer": {"reference": "Organization/1"}},
            "Immunization.manufacturer.display:min",
        ),
        (DOSE, "vn-core-immunization", {"performer": DOSE["performer"] * 2}, "Immunization.performer:max"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else "",
)  # fmt: skip
def test_what_the_draft_forbids_is_refused(
    resource: dict[str, Any], profile: str, changes: dict[str, Any], rule: str, validator: Validator
) -> None:
    assert errors(validator, {**resource, **changes}, profile) == {rule}


def test_the_whole_draft_is_here() -> None:
    own = [definition for definition in DEFINITIONS if definition["url"].startswith(DRAFT)]
    assert len(own) == 65
    assert len(DEFINITIONS) - len(own) == 6  # parents of IPS, in part


def test_it_is_not_in_force_unasked() -> None:
    assert not any(resource.get("url", "").startswith(DRAFT) for resource in profiles.resources())


def test_the_two_profiles_of_a_patient_live_side_by_side() -> None:
    both = Definitions(core_facts(), profiles.resources(*profiles.DEFAULT, *profiles.OPTIONAL)).profiles
    assert {f"{base}/StructureDefinition/vn-core-patient" for base in (DRAFT, COMMUNITY)} <= both.keys()
