"""Search parameter expressions, compiled.

https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression
"""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from fhir_server.definitions import core
from fhir_server.fhirpath import paths

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"family": "Nguyễn", "given": ["Minh", None, "An"]}, {"text": "Bé An"}],
    "telecom": [{"system": "phone", "value": "0912"}, {"system": "email", "value": "a@b.vn"}],
    "deceasedDateTime": "2024-01-01",
    "managingOrganization": {"reference": "Organization/1"},
    "extension": [{"url": "http://a", "valueString": "x"}, {"url": "http://b", "valueCode": "y"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "subject": {"reference": "https://other.example/fhir/Patient/7/_history/2"},
    "focus": [{"reference": "urn:uuid:1", "type": "Patient"}, {"reference": "Group/1"}, {"display": "?"}],
    "valueQuantity": {"value": 1},
    "component": [{"valueQuantity": {"value": 2}}, {"valueString": "x"}],
}


def evaluate(type: str, expression: str, resource: dict[str, Any]) -> list[tuple[Any, str]]:
    branches = paths.compile(core(), type, expression)
    return [(value, branch.type) for branch in branches for value in branch.get()([resource])]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.family", [("Nguyễn", "string")]),
        ("Patient.name.given", [("Minh", "string"), ("An", "string")]),
        ("Patient.telecom.where(system='phone').value", [("0912", "string")]),
        ("Patient.telecom.where(system = 'email')", [(PATIENT["telecom"][1], "ContactPoint")]),
        ("Patient.deceased", [("2024-01-01", "dateTime")]),
        ("(Patient.deceased as boolean)", []),
        ("Patient.deceased.as(dateTime) | Patient.name.text", [("2024-01-01", "dateTime"), ("Bé An", "string")]),
        ("Patient.deceased.exists() and Patient.deceased != false", [(True, "boolean")]),
        ("Patient.active.exists() and Patient.active != false", [(False, "boolean")]),
        ("Patient.name[1].text", [("Bé An", "string")]),
        ("Patient.name.first().text", []),
        ("Patient.extension('http://b').value.ofType(code)", [("y", "code")]),
        ("Patient.extension('http://a').value.ofType(code)", []),
        ("Patient.managingOrganization.where(resolve() is Organization).reference", [("Organization/1", "string")]),
        ("Patient.managingOrganization.where(resolve() is Practitioner)", []),
        ("Patient.where(hasExtension('http://a')).name.family", [("Nguyễn", "string")]),
        ("Resource.id", []),
    ],
)
def test_yields_values_with_their_types(expression: str, expected: list[tuple[Any, str]]) -> None:
    assert evaluate("Patient", expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(Observation.value as Quantity) | (Observation.component.value as Quantity)", [1, 2]),
        ("Observation.value as Quantity | Observation.component.value as Quantity", [1, 2]),
    ],
    ids=["brackets", "as binds tighter than |"],
)
def test_unions_of_choice_types(expression: str, expected: list[int]) -> None:
    found = evaluate("Observation", expression, OBSERVATION)
    assert [(value["value"], type) for value, type in found] == [(number, "Quantity") for number in expected]


def test_a_reference_resolves_to_the_type_it_names() -> None:
    assert len(evaluate("Observation", "Observation.subject.where(resolve() is Patient)", OBSERVATION)) == 1
    focus = evaluate("Observation", "Observation.focus.where(resolve() is Patient)", OBSERVATION)
    assert [value["reference"] for value, _ in focus] == ["urn:uuid:1"]


def test_a_relative_expression_starts_from_a_branch() -> None:
    [element] = paths.compile(core(), "Observation", "Observation.component")
    [quantity] = paths.compile(core(), element, "value.as(Quantity)")
    assert [quantity.get()([item]) for item in element.get()([OBSERVATION])] == [[{"value": 2}], []]


def test_a_branch_knows_where_its_values_lie() -> None:
    [given] = paths.compile(core(), "Patient", "Patient.name.given")
    assert (given.head, given.path, given.single) == ("name", "HumanName.given", False)
    assert given.tail()(PATIENT["name"]) == ["Minh", "An"]
    [birth] = paths.compile(core(), "Patient", "Patient.birthDate")
    assert birth.single


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.nom",
        "Patient.name.where(given.count() > 1)",
        "Patient.name.replace('a', 'b')",
        "Patient.name +",
        "Patient.name[",
        "'x'",
        "Patient..name",
        "Patient.name[true]",
        "Patient.name[-1]",
        "Patient.name[%resource]",
        "Patient.name.$this",
        "Patient.name.where(family = {})",
        "Patient.name.where(family)",
        "Patient.name is HumanName",
        "%resource.name",
        "(" * 100 + "Patient" + ")" * 100,
        "Patient." + "name." * 2000 + "text",
        "Patient" + ".name" * 1000,
        "Patient.name" + "[0]" * 1000,
        "",
    ],
)
def test_says_that_an_expression_is_not_supported(expression: str) -> None:
    with pytest.raises(paths.Unsupported):
        paths.compile(core(), "Patient", expression)


def rows() -> Iterator[tuple[str, str]]:
    for type in sorted(core().resource_types):
        for code, parameter in core().search_parameters(type).items():
            if parameter.base == type:
                yield type, code


# No expression in R4: nothing says where their values are.
WITHOUT_EXPRESSION = {("Patient", "age"), ("Patient", "birthOrderBoolean")}


def test_every_search_parameter_of_r4_compiles() -> None:
    compiled = 0
    for type, code in rows():
        parameter = core().search_parameters(type)[code]
        if (type, code) in WITHOUT_EXPRESSION:
            assert parameter.expression is None
            continue
        assert parameter.expression is not None
        assert paths.compile(core(), type, parameter.expression), (type, code)
        compiled += 1
    assert compiled > 1690


def examples() -> Iterator[dict[str, Any]]:
    for file in sorted(EXAMPLES.glob("*.ndjson.gz")):
        with gzip.open(file) as lines:
            yield from (json.loads(line) for line in islice(lines, 5))


@pytest.mark.parametrize(
    "resource", list(examples()), ids=lambda resource: f"{resource['resourceType']}/{resource['id']}"
)
def test_agrees_with_a_complete_implementation_of_fhirpath(resource: dict[str, Any]) -> None:
    type = resource["resourceType"]
    for code, parameter in core().search_parameters(type).items():
        # fhirpathpy knows no base types at the beginning of a path, and needs resolved references.
        if parameter.base == type and parameter.expression and "resolve()" not in parameter.expression:
            own = [value for value, _ in evaluate(type, parameter.expression, resource)]
            assert own == complete(parameter.expression)(resource), code


@cache
def complete(expression: str) -> Any:
    return fhirpathpy.compile(expression, model=models["r4"])
