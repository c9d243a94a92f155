"""https://hl7.org/fhir/R4/searchparameter-registry.html"""

import re
from collections import Counter

import pytest

from fhir_server.definitions import core, core_facts
from fhir_server.definitions.compact import split_union

DEFINITIONS = core()


def test_every_type_has_the_parameters_of_every_resource() -> None:
    everywhere = {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"}
    for type in DEFINITIONS.resource_types:
        assert everywhere <= set(DEFINITIONS.search_parameters(type)), type


@pytest.mark.parametrize(("type", "has"), [("Patient", True), ("Binary", False), ("Bundle", False)])
def test_only_domain_resources_have_a_narrative_to_search(type: str, has: bool) -> None:
    assert ("_text" in DEFINITIONS.search_parameters(type)) is has


@pytest.mark.parametrize(
    ("type", "code", "kind", "expression", "targets"),
    [
        pytest.param("Patient", "birthdate", "date", "Patient.birthDate", (), id="shared by Person and others"),
        pytest.param("Immunization", "date", "date", "Immunization.occurrence", (), id="shared by 17 types"),
        pytest.param("Patient", "death-date", "date", "(Patient.deceased as dateTime)", (), id="in brackets"),
        pytest.param("Resource", "_id", "token", "Resource.id", (), id="of every resource"),
        pytest.param(
            "Condition", "subject", "reference", "Condition.subject", ("Group", "Patient"), id="targets of its page"
        ),
        pytest.param(
            "Immunization",
            "patient",
            "reference",
            "Immunization.patient",
            ("Group", "Patient"),
            id="shared parameters keep all targets",
        ),
        pytest.param("InsurancePlan", "name", "string", "name | alias", (), id="names no type"),
    ],
)
def test_a_parameter_is_cut_to_what_speaks_of_its_type(
    type: str, code: str, kind: str, expression: str, targets: tuple[str, ...]
) -> None:
    parameters = DEFINITIONS.search_parameters("Patient" if type == "Resource" else type)
    found = parameters[code]
    assert (found.base, found.type, found.expression) == (type, kind, expression)
    assert set(targets) <= set(found.targets)


def test_no_expression_speaks_of_another_resource_type() -> None:
    foreign = [
        (row["base"], row["code"], part)
        for row in core_facts()["searchParameters"]
        for part in split_union(row.get("expression", ""))
        if (start := re.match(r"[\s(]*([A-Z]\w*)\.", part)) and start.group(1) != row["base"]
    ]
    assert foreign == []


def test_a_composite_names_the_code_and_type_of_its_parts() -> None:
    found = DEFINITIONS.search_parameters("Observation")["code-value-quantity"]
    assert [(part.code, part.type, part.expression) for part in found.components] == [
        ("code", "token", "code"),
        ("value-quantity", "quantity", "value.as(Quantity)"),
    ]


def test_no_type_has_a_parameter_twice() -> None:
    count = Counter((row["base"], row["code"]) for row in core_facts()["searchParameters"])
    assert [key for key, rows in count.items() if rows > 1] == []


def test_parameters_that_only_show_what_one_looks_like_are_left_out() -> None:
    assert [row["url"] for row in core_facts()["searchParameters"] if "/example" in row["url"]] == []
