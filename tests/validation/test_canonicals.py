"""What R4's words ask of conformance resources, beyond its constraints.

https://hl7.org/fhir/R4/conformance-module.html · https://hl7.org/fhir/R4/terminology-module.html
"""
# ruff: noqa: E501 (a table with one case a line)

from typing import Any

import pytest

from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Validator

Json = dict[str, Any]

CODES: Json = {
    "resourceType": "CodeSystem",
    "url": "https://example.vn/CodeSystem/kho",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "lanh"}, {"code": "mat"}],
}
SET: Json = {
    "resourceType": "ValueSet",
    "url": "https://example.vn/ValueSet/kho",
    "status": "active",
    "compose": {"include": [{"system": CODES["url"], "concept": [{"code": "lanh"}]}]},
}
SUPPLEMENT: Json = CODES | {
    "url": "https://example.vn/CodeSystem/kho-them",
    "content": "supplement",
    "supplements": CODES["url"],
}
NAMED: Json = {
    "resourceType": "StructureDefinition",
    "url": "https://example.vn/StructureDefinition/ten",
    "name": "Ten",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.gender", "path": "Patient.gender", "fixedCode": "female"}]},
}
DERIVED: Json = NAMED | {"url": "https://example.vn/StructureDefinition/ten-2", "baseDefinition": NAMED["url"]}
SEARCH: Json = {
    "resourceType": "SearchParameter",
    "url": "https://example.vn/SearchParameter/ten",
    "derivedFrom": "http://hl7.org/fhir/SearchParameter/Organization-name",
    "name": "Ten",
    "status": "active",
    "description": "Tên",
    "code": "name",
    "base": ["Organization"],
    "type": "string",
    "expression": "Organization.name",
}
MAP: Json = {
    "resourceType": "ConceptMap",
    "status": "active",
    "sourceCanonical": SET["url"],
    "group": [{"source": CODES["url"], "element": [{"code": "lanh"}]}],
}
ABILITIES: Json = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "date": "2026-03-20",
    "description": "Tìm kiếm",
    "kind": "requirements",
    "fhirVersion": "4.0.1",
    "format": ["json"],
    "rest": [{"mode": "server", "resource": [{"type": "Patient", "searchParam": []}]}],
}
BIRTH = "http://hl7.org/fhir/SearchParameter/individual-birthdate"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator(Definitions(core_facts(), [CODES, SET, SUPPLEMENT, NAMED]))


def rules(validator: Validator, resource: Json) -> list[tuple[str | None, str | None]]:
    issues = validator.validate(resource).issues
    return [(issue.rule, issue.expression) for issue in issues if issue.severity == "error"]


def including(system: str, **more: Any) -> Json:
    return SET | {"compose": {"include": [{"system": system, **more}]}}


def filtered(name: str, value: str) -> Json:
    return including(CODES["url"], filter=[{"property": name, "op": "=", "value": value}])


def profiled(**element: Any) -> Json:
    return DERIVED | {"differential": {"element": [{"id": element["path"]} | element]}}


def searching(kind: str, definition: str = BIRTH) -> Json:
    found = {"name": "birthdate", "definition": definition, "type": kind}
    return ABILITIES | {"rest": [{"mode": "server", "resource": [{"type": "Patient", "searchParam": [found]}]}]}


def with_property(kind: str, **value: Any) -> Json:
    concept = {"code": "lanh", "property": [{"code": "nhiet-do", **value}]}
    return CODES | {"property": [{"code": "nhiet-do", "type": kind}], "concept": [concept]}


def chained(number: int) -> Json:
    """Return a code system in which each concept lies below the one before."""
    concepts = [
        {"code": str(each), "property": [{"code": "parent", "valueCode": str(each - 1)}]} for each in range(number)
    ]
    return CODES | {"property": [{"code": "parent", "type": "code"}], "concept": concepts}


RIGHT = {
    "code system": CODES,
    "supplement": SUPPLEMENT,
    "declared property": with_property("dateTime", valueDateTime="2026"),
    "value set": SET,
    "boolean filter": filtered("inactive", "true"),
    "profile of a profile": profiled(id="Patient.gender", path="Patient.gender", fixedCode="female"),
    "choice by its type": profiled(id="Patient.deceasedBoolean", path="Patient.deceasedBoolean", min=1),
    "below a choice": profiled(path="Patient.deceased[x].extension", min=1),
    "below a primitive": profiled(path="Patient.birthDate.extension", min=1),
    "within a contained resource": profiled(path="Patient.contained.whatever", min=1),
    "extensions sliced by url": profiled(
        path="Patient.extension", slicing={"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    ),
    "derived search": SEARCH,
    "derived from the unknown": SEARCH | {"derivedFrom": "https://example.vn/la", "type": "token"},
    "map of codes of its source": MAP,
    "chain of some codes": chained(900),
    "map of a system not in its source": MAP | {"sourceCanonical": "https://example.vn/la"},
    "search of its own type": searching("date"),
    "search by an unknown definition": searching("token", "https://example.vn/la"),
}


@pytest.mark.parametrize("resource", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_passes(validator: Validator, resource: Json) -> None:
    assert rules(validator, resource) == []


# fmt: off
WRONG = [
    ("profile in the place of R4's own", profiled(path="Patient.photo", min=1) | {"url": "http://hl7.org/fhir/StructureDefinition/Patient"}, "StructureDefinition.url:base", "StructureDefinition.url"),
    ("relative url", SET | {"url": "ValueSet/kho"}, "CanonicalResource.url:absolute", "ValueSet.url"),
    ("code system in itself", including("#kho"), "ValueSet.compose.include.system:absolute", "ValueSet.compose.include[0].system"),
    ("one for true", filtered("inactive", "1"), "ValueSet.compose.include.filter.value:boolean", "ValueSet.compose.include[0].filter[0].value"),
    ("complete supplement", SUPPLEMENT | {"content": "complete"}, "CodeSystem.content:supplement", "CodeSystem.content"),
    ("property defined twice", CODES | {"property": [{"code": "a", "type": "code"}, {"code": "a", "type": "string"}]}, "CodeSystem.property.code:once", "CodeSystem.property[1]"),
    ("property of another type", with_property("dateTime", valueBoolean=True), "CodeSystem.concept.property.value:type", "CodeSystem.concept[0].property[0]"),
    ("chain of codes", chained(1100), "CodeSystem.concept:hierarchy", "CodeSystem.concept"),
    ("no such element", profiled(path="Patient.gendre", min=1), "ElementDefinition.path:base", "StructureDefinition.differential.element[0].path"),
    ("path of another type", profiled(path="Person.gender", min=1), "ElementDefinition.path:base", "StructureDefinition.differential.element[0].path"),
    ("another fixed value", profiled(id="Patient.gender", path="Patient.gender", fixedCode="male"), "ElementDefinition.fixed:base", "StructureDefinition.differential.element[0].fixedCode"),
    ("extensions sliced by what they lack", profiled(path="Patient.extension", slicing={"discriminator": [{"type": "value", "path": "type"}], "rules": "open"}), "ElementDefinition.slicing.discriminator.path:base", "StructureDefinition.differential.element[0].slicing.discriminator[0].path"),
    ("derived of another type", SEARCH | {"type": "token"}, "SearchParameter.type:definition", "SearchParameter.type"),
    ("derived for another resource", SEARCH | {"base": ["Patient"]}, "SearchParameter.base:derivedFrom", "SearchParameter.base"),
    ("code not in the source", MAP | {"group": [{"source": CODES["url"], "element": [{"code": "mat"}]}]}, "ConceptMap.group.element.code:source", "ConceptMap.group[0].element[0].code"),
    ("search of another type", searching("token"), "SearchParameter.type:definition", "CapabilityStatement.rest[0].resource[0].searchParam[0].type"),
]
# fmt: on


@pytest.mark.parametrize(("resource", "rule", "place"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_contradicts_is_refused_at_its_place(validator: Validator, resource: Json, rule: str, place: str) -> None:
    assert (rule, place) in rules(validator, resource)


def test_contained_ones_are_checked_too(validator: Validator) -> None:
    inner = CODES | {"id": "kho", "url": "kho"}
    found = rules(validator, SET | {"contained": [inner]})
    assert ("CanonicalResource.url:absolute", "ValueSet.contained[0].url") in found


def test_a_coding_names_the_system_and_not_its_supplement(validator: Validator) -> None:
    flag = {
        "resourceType": "Basic",
        "code": {"coding": [{"system": SUPPLEMENT["url"], "code": "lanh"}]},
    }
    assert rules(validator, flag) == [("Coding.code:unknown", "Basic.code.coding[0]")]
    flag["code"] = {"coding": [{"system": CODES["url"], "code": "lanh"}]}
    assert rules(validator, flag) == []


@pytest.mark.parametrize(
    "kind", ["ValueSet", "CodeSystem", "ConceptMap", "SearchParameter", "StructureDefinition", "CapabilityStatement"]
)
@pytest.mark.parametrize("odd", [None, 7, "x", [7], [[]], {"a": 1}], ids=repr)
def test_odd_shapes_are_reported_and_break_nothing(validator: Validator, kind: str, odd: Any) -> None:
    names = (
        "url",
        "compose",
        "property",
        "concept",
        "group",
        "sourceCanonical",
        "base",
        "derivedFrom",
        "differential",
        "rest",
        "type",
    )
    broken = dict.fromkeys(names, odd) | {"resourceType": kind, "derivation": "constraint"}
    assert not validator.validate(broken).valid
    nested = {
        "compose": {"include": odd},
        "differential": {"element": odd},
        "rest": [{"resource": odd}],
        "type": "Patient",
    }
    assert not validator.validate(broken | nested).valid
