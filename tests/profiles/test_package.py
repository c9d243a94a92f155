"""https://hl7.org/fhir/R4/profiling.html · https://confluence.hl7.org/display/FHIR/NPM+Package+Specification"""

import json
from pathlib import Path
from typing import Any

import pytest

import profiles
from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.fhirpath.evaluation import compile
from fhir_server.fhirpath.names import names, together
from fhir_server.validation import Validator
from fhir_server.validation.invariants import translated, types_named
from scripts import build_profiles
from scripts.national import notation

CORE, OWN = "http://fhir.hl7.org.vn/core/ValueSet", "https://fhir.tiemchung.vn/ValueSet"
FACTS = Path(__file__).parents[2] / "../shared"
SETS = (*profiles.DEFAULT, *profiles.OPTIONAL)
OF_SET = {name: list(profiles.resources(name)) for name in SETS}
RESOURCES = [resource for name in SETS for resource in OF_SET[name]]
IDS = [f"{resource['resourceType']}-{resource['id']}" for resource in RESOURCES]
DEFINITIONS = [resource for resource in RESOURCES if resource["resourceType"] == "StructureDefinition"]
TABLES = [
    resource
    for name in profiles.DEFAULT
    for resource in OF_SET[name]
    if resource["resourceType"] in ("CodeSystem", "ValueSet", "ConceptMap", "NamingSystem")
]
RULES = [
    (definition, constraint)
    for name in profiles.DEFAULT
    for definition in OF_SET[name]
    if definition["resourceType"] == "StructureDefinition"
    for element in definition["differential"]["element"]
    for constraint in element.get("constraint", ())
]
RULE_IDS = [constraint["key"] for _, constraint in RULES]


@pytest.mark.parametrize("resource", RESOURCES, ids=IDS)
def test_every_resource_is_valid_r4(resource: dict[str, Any], validator: Validator) -> None:
    assert validator.validate(wire.loads(json.dumps(resource))).issues == ()


@pytest.mark.parametrize("name", SETS)
def test_files_are_named_after_the_resource_they_hold(name: str) -> None:
    files = {file.name for file in profiles.path(name).iterdir()} - {"package.json"}
    assert files == {f"{resource['resourceType']}-{resource['id']}.json" for resource in OF_SET[name]}


@pytest.mark.parametrize("name", profiles.DEFAULT)
def test_a_canonical_url_ends_with_the_type_and_the_id(name: str) -> None:
    canonical = profiles.manifest(name)["canonical"]
    for resource in OF_SET[name]:
        if "url" in resource:
            assert resource["url"] == f"{canonical}/{resource['resourceType']}/{resource['id']}"


def test_no_two_resources_have_the_same_id_or_the_same_url() -> None:
    ids = [(resource["resourceType"], resource["id"]) for resource in RESOURCES]
    urls = [resource["url"] for resource in RESOURCES if "url" in resource]
    assert len(set(ids)) == len(ids)
    assert len(set(urls)) == len(urls)


def test_a_set_says_what_it_is_and_names_the_sets_it_builds_on() -> None:
    known = {"hl7.fhir.r4.core": "4.0.1"}
    for name in SETS:
        manifest = profiles.manifest(name)
        assert manifest["dependencies"].items() <= known.items()
        assert (manifest["type"], manifest["fhirVersions"]) == ("IG", ["4.0.1"])
        known[manifest["name"]] = manifest["version"]


def test_a_set_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(KeyError):
        profiles.path("hl7.fhir.vn.core")


@pytest.mark.parametrize("resource", OF_SET["vn-core"], ids=lambda resource: resource["id"])
def test_the_facts_of_vn_core_are_attributed_and_called_partial(resource: dict[str, Any]) -> None:
    text = resource.get("copyright") or resource["description"]  # two types have no copyright
    assert "Omi HealthTech / VN Core FHIR Community Initiative — https://hl7.org.vn — CC-BY-4.0" in text
    assert "not endorsed" in text
    assert resource.get("version", "0.5.1-partial") == "0.5.1-partial"


@pytest.mark.parametrize("resource", OF_SET["moh-ehealth"], ids=lambda resource: resource["id"])
def test_the_ministry_s_draft_names_its_licence_and_its_changes(resource: dict[str, Any]) -> None:
    text = resource.get("copyright") or resource["description"]
    assert "CC0-1.0" in text or "HL7/fhir-ips" in text
    assert "rebuilt" in text or "not the published profile" in text


@pytest.mark.parametrize("resource", TABLES, ids=lambda resource: f"{resource['resourceType']}-{resource['id']}")
def test_every_table_says_where_its_facts_come_from_and_how_certain_they_are(resource: dict[str, Any]) -> None:
    [facts] = (part for part in resource["extension"] if part["url"].endswith("/vn-imm-ext-facts"))
    parts = {part["url"]: part for part in facts["extension"]}
    assert parts["source"]["valueString"]
    assert parts["date"]["valueDate"]
    assert parts["certainty"]["valueCode"] in ("high", "medium", "low")


def test_what_the_scripts_make_without_the_collected_facts_is_what_is_here() -> None:
    made = [(build_profiles.file(of, resource), resource) for of, resource in build_profiles.definitions()]
    assert len(made) > 90
    for path, resource in made:
        assert path.read_text("utf-8") == notation.rendered(resource) + "\n", path.name


@pytest.mark.skipif(not (FACTS / "national").is_dir(), reason="the collected facts are not beside the repository")
def test_what_the_scripts_make_of_the_collected_facts_is_what_is_here() -> None:
    made = {build_profiles.file(of, resource): resource for of, resource in build_profiles.of_facts(FACTS)}
    assert len(made) > 150
    for path, resource in made.items():
        assert json.loads(path.read_bytes()) == resource, path.name
    known = {*made, *(build_profiles.file(of, resource) for of, resource in build_profiles.definitions())}
    assert {path for path in notation.PROFILES.glob("*/package/*.json") if path.name != "package.json"} == known


@pytest.mark.parametrize("resource", RESOURCES, ids=IDS)
def test_nothing_is_called_the_national_standard(resource: dict[str, Any]) -> None:
    text = json.dumps(resource, ensure_ascii=False)
    assert "national standard" not in text.replace("it is not a national standard", "")
    assert "tiêu chuẩn quốc gia" not in text.lower()


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
    types = definition["type"], *types_named(constraint["expression"], definitions.resource_types)
    compile(constraint["expression"], together([names(definitions, type) for type in types]))


def test_each_profile_leads_to_a_type(definitions: Definitions) -> None:
    known = {definition["url"] for definition in DEFINITIONS}
    for definition in DEFINITIONS:
        base = definition["baseDefinition"]
        assert base in known or definitions.type(base.rpartition("/")[2]) is not None


def test_each_binding_has_codes(definitions: Definitions) -> None:
    for name in profiles.DEFAULT:
        for definition in OF_SET[name]:
            for element in definition.get("differential", {}).get("element", ()):
                if "binding" in element and element["binding"]["valueSet"] != f"{CORE}/vn-organization-type-vs":
                    assert definitions.codes(element["binding"]["valueSet"])


def test_a_value_set_of_a_fragment_is_not_checked(definitions: Definitions) -> None:
    assert definitions.codes(f"{CORE}/vn-organization-type-vs") is None


@pytest.mark.parametrize(
    ("value_set", "count"),
    [
        (f"{CORE}/vn-immunization-program-type-vs", 3),
        (f"{CORE}/vn-immunization-status-reason-vs", 3),
        (f"{CORE}/vn-ethnicity-vs", 56),
        (f"{CORE}/vn-province-vs", 34),
        (f"{CORE}/vn-ward-vs", 3321 + 1),  # one has two codes
        (f"{OWN}/province-until-2025", 63),
        (f"{OWN}/district-until-2025", 696),
        (f"{OWN}/commune-until-2025", 10035),
        (f"{OWN}/vaccine-product", 95),
        (f"{OWN}/occupation", 13),
        (f"{OWN}/feedback-rejection", 13),
        (f"{OWN}/aefi-causality", 8),
    ],
)
def test_the_value_sets_are_complete(value_set: str, count: int, definitions: Definitions) -> None:
    codes = definitions.codes(value_set)
    assert codes is not None
    assert sum(len(members) for members in codes.values()) == count


@pytest.mark.parametrize(
    ("type", "code"),
    [
        ("Patient", "vn-bhyt"),
        ("Patient", "vn-cccd"),
        ("Coverage", "vn-bhyt-card"),
        ("Device", "vn-registration-number"),
    ],
)
def test_a_parameter_selects_identifiers_so_that_a_system_can_be_named(
    type: str, code: str, definitions: Definitions
) -> None:
    parameter = definitions.search_parameters(type)[code]
    assert parameter.type == "token"
    assert parameter.expression is not None
    assert not parameter.expression.endswith(".value")
