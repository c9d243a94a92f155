"""Concepts: their place in the hierarchy, their days, the words they are found by.

https://hl7.org/fhir/R4/codesystem.html
"""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology import folding, systems, valuesets
from terminology.concepts import MAX_ABOVE, Concept, Hierarchy, concepts, day
from terminology.conditions import Codes, Unsupported, read
from terminology.systems import display
from terminology.valuesets import Missing, Unusable, Versions

Json = dict[str, Any]


def parent(code: str, *above: str) -> Json:
    return {"code": code, "property": [{"code": "parent", "valueCode": each} for each in above]}


HIERARCHIES: list[tuple[str, list[Json], dict[str, set[str]]]] = [
    ("nested", [{"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}]}], {"b": {"a"}, "c": {"a", "b"}}),
    ("parents", [{"code": "a"}, parent("b", "a"), parent("c", "b")], {"b": {"a"}, "c": {"a", "b"}}),
    ("parents that come later", [parent("c", "b"), parent("b", "a"), {"code": "a"}], {"b": {"a"}, "c": {"a", "b"}}),
    ("several parents", [{"code": "a"}, {"code": "b"}, parent("c", "a", "b")], {"c": {"a", "b"}}),
    ("children", [{"code": "a", "property": [{"code": "child", "valueCode": "b"}]}, {"code": "b"}], {"b": {"a"}}),
    ("a ring ends", [parent("a", "b"), parent("b", "a")], {"a": {"b"}, "b": {"a"}}),
    ("its own parent", [parent("a", "a")], {"a": set()}),
]


@pytest.mark.parametrize(("rows", "expected"), [row[1:] for row in HIERARCHIES], ids=[row[0] for row in HIERARCHIES])
def test_what_is_above_a_concept(rows: list[Json], expected: dict[str, set[str]]) -> None:
    found = {concept.code: set(concept.ancestors) for concept in concepts([{"concept": rows}])}
    assert {code: above for code, above in found.items() if above or code in expected} == expected


def test_a_chain_without_end_is_cut_where_the_nearest_are() -> None:
    chain = [{"code": "0"}, *(parent(str(number), str(number - 1)) for number in range(1, MAX_ABOVE + 50))]
    *_, last = concepts([{"concept": chain}])
    assert last.ancestors == {str(number) for number in range(49, MAX_ABOVE + 49)}


CROWD = [f"p{number}" for number in range(MAX_ABOVE + 1)]
OVERGROWN: list[tuple[str, list[Json], str | None]] = [
    ("few", [{"code": "a"}, parent("b", "a")], None),
    ("a chain", [{"code": "0"}, *(parent(str(each), str(each - 1)) for each in range(1, 3000))], str(MAX_ABOVE + 1)),
    ("many parents of one", [{"code": "a"}, parent("b", *CROWD)], "b"),
    ("as many as may be", [{"code": "a"}, parent("b", *CROWD[1:])], None),
    (
        "many children of one",
        [{"code": "a", "property": [{"code": "child", "valueCode": f"c{i}"} for i in range(9999)]}],
        None,
    ),
    ("many below many", [parent(f"c{number}", *CROWD[:500]) for number in range(2000)], "c1600"),
]


@pytest.mark.parametrize(("rows", "expected"), [row[1:] for row in OVERGROWN], ids=[row[0] for row in OVERGROWN])
def test_a_hierarchy_has_bounds(rows: list[Json], expected: str | None) -> None:
    hierarchy = Hierarchy()
    hierarchy.add({"concept": rows})
    assert hierarchy.overgrown() == expected


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=40))
def test_above_is_transitive(pairs: list[tuple[int, int]]) -> None:
    edges = {(low, high) for low, high in pairs if low > high}  # no rings
    rows = [parent(str(code), *(str(high) for low, high in sorted(edges) if low == code)) for code in range(16)]
    found = {concept.code: concept.ancestors for concept in concepts([{"concept": rows}])}
    for code, above in found.items():
        direct = {str(high) for low, high in edges if str(low) == code}
        assert above == direct.union(*(found[each] for each in direct))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.integers(0, 20),
)
def test_parts_make_the_same_concepts_as_the_whole(rows: list[tuple[int, int, int]], cut: int) -> None:
    concept_rows: list[Json] = [
        {**parent(str(code), str(above)), "concept": [{"code": str(below)}]} for code, above, below in rows
    ]
    parts = [{"concept": concept_rows[:cut]}, {"concept": concept_rows[cut:]}]
    found = concepts(parts)
    assert found == concepts([{"concept": concept_rows}])
    assert [concept.order for concept in found] == list(range(len(found)))


@given(st.text(), st.text())
def test_the_words_of_texts_side_by_side_are_the_words_of_each(one: str, other: str) -> None:
    both = dict.fromkeys((*folding.words(one), *folding.words(other)))
    assert folding.words(f"{one} {other}") == tuple(both)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2025", date(2025, 1, 1), date(2025, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2025-07-01", date(2025, 7, 1), date(2025, 7, 1)),
        ("2025-07-01T00:00:00+07:00", date(2025, 7, 1), date(2025, 7, 1)),
        ("2025-13", None, None),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_a_date_means_days(text: str, first: date | None, last: date | None) -> None:
    assert (day(text), day(text, last=True)) == (first, last)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("ba dinh", True),
        ("Đình", True),
        ("phuong BA", True),
        ("dinh ba", True),
        ("inh", False),
        ("", True),
        ("-", True),
    ],
)
def test_words_are_found_from_their_beginnings(wanted: str, found: bool) -> None:
    assert folding.found(folding.words(wanted), folding.words("Phường Ba Đình (Hà Nội)")) is found


@pytest.mark.parametrize(
    ("language", "expected"),
    [(None, "Cat"), ("en", "Cat"), ("vi", "Mèo"), ("vi-VN", "Mèo"), ("fr", "Cat"), ("v", "Cat")],
)
def test_a_display_in_a_language(language: str | None, expected: str) -> None:
    cat = Concept({"code": "cat", "display": "Cat", "designation": [{"language": "vi", "value": "Mèo"}]}, 0)
    assert display(cat, language, "en-GB") == expected


def test_fragments_are_complete_when_they_reach_the_count() -> None:
    parts = [
        {"url": "x", "content": "fragment", "count": 3, "concept": [{"code": code} for code in codes]}
        for codes in ("ab", "bc")
    ]
    assert systems.read(parts).head.complete
    assert not systems.read(parts[:1]).head.complete
    assert not systems.read([{**part, "count": 4} for part in parts]).head.complete
    assert not systems.read([{**parts[0], "content": "example"}]).head.complete


@pytest.mark.parametrize(
    "filter",
    [
        {},
        {"property": "concept", "op": "is-a"},
        {"property": "legs", "op": "is-a", "value": "4"},
        {"property": "code", "op": "regex", "value": "("},
        {"property": "code", "op": "regex", "value": "(?=a)"},
        {"property": "code", "op": "regex", "value": "a" * 513},
        {"property": "legs", "op": "exists", "value": "yes"},
        {"property": "legs", "op": "child-of", "value": "a"},
    ],
)
def test_a_filter_that_means_nothing_is_refused(filter: Json) -> None:
    with pytest.raises(Unsupported):
        read(filter)


def test_value_sets_that_import_each_other_often_are_read_once_each() -> None:
    known: dict[str, Json] = {
        "v0": {"url": "v0", "compose": {"include": [{"system": "s", "concept": [{"code": "a"}]}]}}
    }
    for level in range(1, 19):
        below = {"valueSet": [f"v{level - 1}"]}
        known[f"v{level}"] = {"url": f"v{level}", "compose": {"include": [below, below, below]}}
    [part] = valuesets.plan(known["v18"], known, Versions()).parts
    assert part.condition == Codes(("a",))


def test_what_cannot_be_planned_is_told() -> None:
    with pytest.raises(Missing, match="nobody"):
        valuesets.plan({"compose": {"include": [{"valueSet": ["nobody"]}]}}, {}, Versions())
    ring = {"url": "r", "compose": {"include": [{"valueSet": ["r"]}]}}
    with pytest.raises(Unusable, match="itself"):
        valuesets.plan(ring, {"r": ring}, Versions())
    with pytest.raises(Unusable, match="neither"):
        valuesets.plan({"url": "x"}, {}, Versions())


def test_a_value_set_with_an_expansion_only_holds_what_it_lists() -> None:
    contains = [{"system": "s", "code": "a", "contains": [{"system": "s", "code": "b"}]}, {"display": "group"}]
    [part] = valuesets.plan({"expansion": {"contains": contains}}, {}, Versions()).parts
    assert (part.system, part.condition) == ("s", Codes(("a", "b")))
