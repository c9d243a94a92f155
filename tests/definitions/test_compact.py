"""https://hl7.org/fhir/R4/structuredefinition.html · https://hl7.org/fhir/R4/searchparameter.html"""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.definitions import compact

plain = st.text(st.characters(exclude_characters="|()[]{}'`\\"), min_size=1)
inside = st.text(st.characters(exclude_characters="'`\\()[]{}"))  # what brackets and quotes may hold, `|` included
parts = st.one_of(
    plain,
    inside.map("({})".format),
    inside.map("where(a in [{}])".format),
    inside.map("'{}'".format),
    inside.map("'it\\'s {}'".format),
    inside.map("`{}`".format),
    st.just("x = '(' "),
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("Patient.name", ["Patient.name"], id="one part"),
        pytest.param("A.x | B.y", ["A.x ", " B.y"], id="two parts"),
        pytest.param("(A.x | A.y) | B.y", ["(A.x | A.y) ", " B.y"], id="brackets"),
        pytest.param("A.x.where(s = 'a|b') | B", ["A.x.where(s = 'a|b') ", " B"], id="quotes in brackets"),
        pytest.param("A = '|' | B", ["A = '|' ", " B"], id="quotes"),
        pytest.param(r"A = 'it\'s | here' | B", [r"A = 'it\'s | here' ", " B"], id="escaped quote"),
        pytest.param("`a|b` | B", ["`a|b` ", " B"], id="delimited identifier"),
        pytest.param("", [""], id="nothing"),
    ],
)
def test_a_union_is_split_outside_brackets_and_quotes(expression: str, expected: list[str]) -> None:
    assert compact.split_union(expression) == expected


@given(st.lists(parts, min_size=1))
@example([r"'it\'s |'", "('|')"])
def test_splitting_undoes_joining(unjoined: list[str]) -> None:
    assert compact.split_union("|".join(unjoined)) == unjoined


@pytest.mark.parametrize(
    ("base", "expression", "expected"),
    [
        ("Condition", "AllergyIntolerance.code | Condition.code", "Condition.code"),
        ("Medication", "MedicationRequest.x | Medication.y", "Medication.y"),
        ("Patient", "(Patient.deceased as dateTime) | Person.x", "(Patient.deceased as dateTime)"),
        ("Group", "Group.a | Group.b", "Group.a | Group.b"),
        ("InsurancePlan", "name | alias", "name | alias"),
    ],
    ids=["one of two", "no prefix of another name", "in brackets", "two of two", "names no type"],
)
def test_an_expression_is_cut_to_its_base(base: str, expression: str, expected: str) -> None:
    assert compact.expression_for(base, expression) == expected


def test_a_search_parameter_gives_a_row_for_each_base() -> None:
    definition = {
        "url": "http://example.org/code",
        "code": "code",
        "type": "token",
        "base": ["Condition", "Procedure"],
        "expression": "Condition.code | Procedure.code",
    }
    assert [(row["base"], row["expression"]) for row in compact.search_parameters([definition])] == [
        ("Condition", "Condition.code"),
        ("Procedure", "Procedure.code"),
    ]


def test_a_composite_of_an_unknown_part_is_refused() -> None:
    composite = {
        "url": "http://example.org/both",
        "code": "both",
        "type": "composite",
        "base": ["Patient"],
        "component": [{"definition": "http://example.org/none", "expression": "x"}],
    }
    with pytest.raises(KeyError, match="none"):
        compact.search_parameters([composite])


def test_concepts_come_after_their_parent() -> None:
    definition = {
        "content": "complete",
        "concept": [{"code": "a", "display": "A", "concept": [{"code": "b", "concept": [{"code": "c"}]}]}],
    }
    assert compact.code_system(definition)["concepts"] == [["a", "A", None], ["b", None, "a"], ["c", None, "b"]]


@pytest.mark.parametrize("content", ["not-present", "example", "fragment", "supplement", None])
def test_only_a_complete_code_system_says_so(content: str | None) -> None:
    assert compact.code_system({"content": content})["complete"] is False


def element(**facts: Any) -> Any:
    return compact.element_facts({"path": "X.y", "min": 0, "max": "1", **facts})


def test_an_element_without_anything_special_is_its_path_and_cardinality() -> None:
    assert element() == {"path": "X.y", "min": 0, "max": "1"}


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        pytest.param({"code": "string"}, ["string"], id="type"),
        pytest.param(
            {"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]},
            ["Reference", ["Patient"]],
            id="target type by name",
        ),
        pytest.param(
            {"code": "Reference", "targetProfile": ["http://example.org/p"]},
            ["Reference", ["http://example.org/p"]],
            id="target profile by URL",
        ),
        pytest.param(
            {"code": "Extension", "profile": ["http://example.org/e"]},
            ["Extension", [], ["http://example.org/e"]],
            id="profile",
        ),
        pytest.param(
            {
                "code": "http://hl7.org/fhirpath/System.String",
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type",
                        "valueUrl": "uri",
                    }
                ],
            },
            ["uri"],
            id="FHIRPath type with the FHIR type told",
        ),
        pytest.param({"code": "http://hl7.org/fhirpath/System.String"}, ["string"], id="FHIRPath type alone"),
    ],
)
def test_a_type_is_written_with_its_targets_and_profiles(type: Any, expected: list[Any]) -> None:
    assert element(type=[type])["types"] == [expected]


def test_constraints_that_hold_by_the_structure_of_json_are_left_out() -> None:
    rules = [{"key": key, "severity": "error", "human": "…", "expression": "true"} for key in ("ele-1", "pat-1")]
    assert element(constraint=rules)["constraints"] == [["pat-1", "error", "…", "true"]]
