"""https://hl7.org/fhir/R4/profiling.html · https://confluence.hl7.org/display/FHIR/NPM+Package+Specification"""

import json
from typing import Any

import pytest

import profiles
from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.fhirpath.evaluation import compile
from fhir_server.fhirpath.names import names
from fhir_server.validation import Validator
from fhir_server.validation.invariants import translated

RESOURCES = list(profiles.resources())
IDS = [f"{resource['resourceType']}-{resource['id']}" for resource in RESOURCES]
DEFINITIONS = [resource for resource in RESOURCES if resource["resourceType"] == "StructureDefinition"]
OF_VN_CORE = [resource for resource in RESOURCES if "fhir.hl7.org.vn" in resource.get("url", "")]
RULES = [
    (definition, constraint)
    for definition in DEFINITIONS
    for element in definition["differential"]["element"]
    for constraint in element.get("constraint", ())
]
RULE_IDS = [constraint["key"] for _, constraint in RULES]


@pytest.mark.parametrize("resource", RESOURCES, ids=IDS)
def test_every_resource_is_valid_r4(resource: dict[str, Any], validator: Validator) -> None:
    assert validator.validate(wire.loads(json.dumps(resource))).issues == ()


@pytest.mark.parametrize("resource", RESOURCES, ids=IDS)
def test_files_are_named_after_the_resource_they_hold(resource: dict[str, Any]) -> None:
    name = f"{resource['resourceType']}-{resource['id']}.json"
    files = [file for set in profiles.DEFAULT if (file := profiles.path(set) / name).is_file()]
    assert [json.loads(file.read_bytes()) for file in files] == [resource]
    if "url" in resource:
        assert resource["url"].endswith(f"/{resource['resourceType']}/{resource['id']}")


@pytest.mark.parametrize("resource", OF_VN_CORE, ids=lambda resource: resource["id"])
def test_the_facts_of_vn_core_are_attributed_and_called_partial(resource: dict[str, Any]) -> None:
    assert resource["version"] == "0.5.1-partial"
    assert (
        "Omi HealthTech / VN Core FHIR Community Initiative — https://hl7.org.vn — CC-BY-4.0" in resource["copyright"]
    )
    assert "not endorsed" in resource["copyright"]


@pytest.mark.parametrize("resource", RESOURCES, ids=IDS)
def test_nothing_is_called_the_national_standard(resource: dict[str, Any]) -> None:
    text = json.dumps(resource, ensure_ascii=False)
    assert "national standard" not in text.replace("it is not a national standard", "")
    assert "tiêu chuẩn quốc gia" not in text


@pytest.mark.parametrize(("definition", "constraint"), RULES, ids=RULE_IDS)
def test_every_rule_names_its_regulation(definition: dict[str, Any], constraint: dict[str, Any]) -> None:
    assert any(kind in constraint["requirements"] for kind in ("NĐ ", "QĐ ", "TT ", "Luật ", "NamingSystem"))
    assert constraint["source"] == definition["url"]


@pytest.mark.parametrize(("definition", "constraint"), RULES, ids=RULE_IDS)
def test_every_rule_speaks_two_languages_and_ends_with_the_remedy(
    definition: dict[str, Any], constraint: dict[str, Any]
) -> None:
    vietnamese = translated(constraint, "human")
    assert vietnamese is not None
    assert ": " in constraint["human"]
    assert ": " in vietnamese


@pytest.mark.parametrize(("definition", "constraint"), RULES, ids=RULE_IDS)
def test_every_rule_compiles_to_a_closure(
    definition: dict[str, Any], constraint: dict[str, Any], definitions: Definitions
) -> None:
    compile(constraint["expression"], names(definitions, definition["type"]))


def test_each_profile_leads_to_a_type(definitions: Definitions) -> None:
    for definition in DEFINITIONS:
        base = definition["baseDefinition"]
        assert base in definitions.profiles or definitions.type(base.rpartition("/")[2]) is not None


def test_each_binding_has_codes(definitions: Definitions) -> None:
    for definition in DEFINITIONS:
        for element in definition["differential"]["element"]:
            if "binding" in element:
                assert definitions.codes(element["binding"]["valueSet"])


@pytest.mark.parametrize(
    ("value_set", "count"),
    [
        ("vn-immunization-program-type-vs", 3),
        ("vn-immunization-status-reason-vs", 3),
        ("vn-ethnicity-vs", 56),
        ("vn-province-vs", 34),
        ("vn-ward-vs", 3321),
    ],
)
def test_the_value_sets_are_complete(value_set: str, count: int, definitions: Definitions) -> None:
    codes = definitions.codes(f"http://fhir.hl7.org.vn/core/ValueSet/{value_set}")
    assert codes is not None
    assert sum(len(members) for members in codes.values()) == count


def test_each_ward_lies_in_a_province() -> None:
    by_id = {resource["id"]: resource for resource in RESOURCES}
    provinces = {concept["code"] for concept in by_id["vn-province-cs"]["concept"]}
    wards = by_id["vn-ward-cs"]["concept"]
    assert {ward["property"][0]["valueCode"] for ward in wards} == provinces


def test_the_insurance_parameter_selects_identifiers_so_that_a_system_can_be_named(definitions: Definitions) -> None:
    for code in ("vn-bhyt", "vn-cccd"):
        parameter = definitions.search_parameters("Patient")[code]
        assert parameter.type == "token"
        assert parameter.expression is not None
        assert not parameter.expression.endswith(".value")
