"""https://hl7.org/fhir/R4/valueset.html#expansion"""

from typing import Any

import pytest

from fhir_server.definitions import compact, valuesets
from fhir_server.definitions.valuesets import Codes, Loaded

A, B, PARTIAL, UNKNOWN, LOOSE = "urn:a", "urn:b", "urn:partial", "urn:unknown", "urn:loose"
SYSTEMS = {
    # a1 > a2 > a3, a4
    A: compact.code_system(
        {
            "content": "complete",
            "concept": [{"code": "a1", "concept": [{"code": "a2", "concept": [{"code": "a3"}]}]}, {"code": "a4"}],
        }
    ),
    B: compact.code_system({"content": "complete", "concept": [{"code": "b1"}, {"code": "b2"}]}),
    PARTIAL: compact.code_system({"content": "fragment", "concept": [{"code": "p1"}]}),
    LOOSE: compact.code_system({"content": "complete", "caseSensitive": False, "concept": [{"code": "l1"}]}),
}


def below(operation: str, code: str, property: str = "concept") -> dict[str, Any]:
    return {"system": A, "filter": [{"property": property, "op": operation, "value": code}]}


def only(*codes: str, system: str = A) -> dict[str, Any]:
    return {"system": system, "concept": [{"code": code} for code in codes]}


SETS: dict[str, Any] = {
    "urn:all-a": {"compose": {"include": [{"system": A}]}},
    "urn:two-b": {"compose": {"include": [only("b1", "b2", system=B)]}},
    "urn:nothing-known": {"compose": {"include": [{"system": UNKNOWN}]}},
    "urn:circle": {"compose": {"include": [{"valueSet": ["urn:circle"]}]}},
}
ENUMERATED: dict[str, Codes | None] = {"urn:elsewhere": {A: frozenset({"a1", "a4"})}, "urn:not-enumerable": None}


def codes(*include: Any, exclude: Any = ()) -> Any:
    composed = {"compose": {"include": list(include), "exclude": list(exclude)}}
    return valuesets.codes(composed, Loaded(SETS, SYSTEMS, ENUMERATED))


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        pytest.param([{"system": A}], {A: {"a1", "a2", "a3", "a4"}}, id="a whole system"),
        pytest.param([only("a1", "a3")], {A: {"a1", "a3"}}, id="some concepts"),
        pytest.param([only("x", system=UNKNOWN)], {UNKNOWN: {"x"}}, id="listed concepts need no code system"),
        pytest.param([only("a1"), only("a4")], {A: {"a1", "a4"}}, id="includes add up"),
        pytest.param([only("a1"), only("b1", system=B)], {A: {"a1"}, B: {"b1"}}, id="two systems"),
        pytest.param([below("is-a", "a2")], {A: {"a2", "a3"}}, id="is-a: itself and all below"),
        pytest.param([below("descendent-of", "a1")], {A: {"a2", "a3"}}, id="descendent-of: all below"),
        pytest.param([below("is-not-a", "a2")], {A: {"a1", "a4"}}, id="is-not-a: the others"),
        pytest.param([below("is-a", "none")], {A: set()}, id="is-a of an unknown concept"),
        pytest.param([{"valueSet": ["urn:all-a"]}], {A: {"a1", "a2", "a3", "a4"}}, id="import"),
        pytest.param([{"valueSet": ["urn:all-a|1.0"]}], {A: {"a1", "a2", "a3", "a4"}}, id="import with version"),
        pytest.param([{"valueSet": ["urn:elsewhere"]}], {A: {"a1", "a4"}}, id="import of one enumerated before"),
        pytest.param([{"valueSet": ["urn:all-a", "urn:elsewhere"]}], {A: {"a1", "a4"}}, id="imports intersect"),
        pytest.param([only("a1", "a2") | {"valueSet": ["urn:elsewhere"]}], {A: {"a1"}}, id="concepts and import"),
        pytest.param([], {}, id="nothing included"),
    ],
)
def test_a_value_set_holds_what_it_includes(include: list[Any], expected: dict[str, set[str]]) -> None:
    assert codes(*include) == expected


def test_two_filters_both_apply() -> None:
    both = below("is-a", "a1")
    both["filter"] = [*both["filter"], *below("is-not-a", "a2")["filter"]]
    assert codes(both) == {A: {"a1"}}


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        pytest.param([only("a1")], {"a2", "a3", "a4"}, id="a concept"),
        pytest.param([below("is-a", "a2")], {"a1", "a4"}, id="a branch"),
        pytest.param([{"valueSet": ["urn:elsewhere"]}], {"a2", "a3"}, id="a value set"),
        pytest.param([{"valueSet": ["urn:two-b"]}], {"a1", "a2", "a3", "a4"}, id="what is not in it"),
    ],
)
def test_what_is_excluded_is_not_in_it(exclude: list[Any], expected: set[str]) -> None:
    assert codes({"system": A}, exclude=exclude) == {A: expected}


@pytest.mark.parametrize(
    "include",
    [
        pytest.param({"system": UNKNOWN}, id="unknown system"),
        pytest.param({"system": PARTIAL}, id="fragment of a system"),
        pytest.param(only("L1", system=LOOSE), id="a system in which case does not count"),
        pytest.param({"valueSet": ["urn:nothing-known"]}, id="import of unknown content"),
        pytest.param({"valueSet": ["urn:none"]}, id="unknown import"),
        pytest.param({"valueSet": ["urn:not-enumerable"]}, id="import that was not enumerable"),
        pytest.param({"valueSet": ["urn:circle"]}, id="a set that imports itself"),
        pytest.param(below("=", "x", "status"), id="filter by property"),
        pytest.param(below("regex", "a."), id="another operation"),
        pytest.param({}, id="an include of nothing"),
    ],
)
def test_what_cannot_be_enumerated_is_none_and_never_a_part(include: Any) -> None:
    assert codes(include) is None
    assert codes({"system": A}, include) is None
    assert codes({"system": A}, exclude=[include]) is None


def test_a_value_set_that_composes_nothing_cannot_be_enumerated() -> None:
    assert valuesets.codes({}, Loaded({}, {})) is None


SECOND = Loaded(
    {"urn:two": {"version": "2", "compose": {"include": [only("a1")]}}},
    {**SYSTEMS, "urn:c": compact.code_system({"version": "2", "content": "complete", "concept": [{"code": "c1"}]})},
    {"urn:elsewhere": {A: frozenset({"a1"})}},
    {"urn:elsewhere": "2"},
)


@pytest.mark.parametrize(
    ("include", "known"),
    [
        ({"valueSet": ["urn:two"]}, True),
        ({"valueSet": ["urn:two|2"]}, True),
        ({"valueSet": ["urn:two|1"]}, False),
        ({"valueSet": ["urn:elsewhere|2"]}, True),
        ({"valueSet": ["urn:elsewhere|1"]}, False),
        ({"system": "urn:c"}, True),
        ({"system": "urn:c", "version": "2"}, True),
        ({"system": "urn:c", "version": "1"}, False),
        ({"system": A, "version": "1"}, True),
    ],
    ids=[
        *("no version asked", "this import", "another import", "this of before", "another of before"),
        *("no version of the system asked", "this system", "another system", "a system that says none"),
    ],
)
def test_another_version_than_the_one_known_is_not_known(include: Any, known: bool) -> None:
    found = valuesets.codes({"compose": {"include": [include]}}, SECOND)
    assert (found is not None) is known
