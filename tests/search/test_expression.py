"""`_filter`: an expression finds what its comparisons find, joined as sets.

https://hl7.org/fhir/R4/search_filter.html
"""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.search.searching import finds

PATIENTS: list[dict[str, Any]] = [
    {"id": "0", "gender": "male", "birthDate": "2020-01-01", "name": [{"family": "An"}]},
    {"id": "1", "gender": "female", "birthDate": "2021", "name": [{"family": "Bình"}]},
    {"id": "2", "gender": "male", "active": True, "name": [{"family": "An Bình"}]},
    {"id": "3", "birthDate": "2019-05", "active": False},
    {"id": "4"},
]
# Each comparison, and whom it finds.
COMPARISONS = {
    "gender eq male": {0, 2},
    "gender ne male": {1},
    "birthdate ge 2020": {0, 1},
    "birthdate ne 2020-01-01": {1, 3},
    "birthdate pr false": {2, 4},
    "active eq true": {2},
    'family eq "AN"': {0},
    "family sw an": {0, 2},
    "family co bin": {1, 2},
    "_id eq 3": {3},
    "_id ne 3": {0, 1, 2, 4},
    "_lastUpdated lt 1960": set(),
}
EVERYONE = set(range(len(PATIENTS)))

Expression = tuple[str, set[int]]


def negated(inner: Expression) -> Expression:
    return f"not({inner[0]})", EVERYONE - inner[1]


def both(left: Expression, right: Expression) -> Expression:
    return f"({left[0]}) and ({right[0]})", left[1] & right[1]


def either(left: Expression, right: Expression) -> Expression:
    return f"({left[0]}) or ({right[0]})", left[1] | right[1]


def joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.builds(negated, inner) | st.builds(both, inner, inner) | st.builds(either, inner, inner)


expressions = st.recursive(st.sampled_from(list(COMPARISONS.items())), joined, max_leaves=6)


@given(expressions)
@example(negated(("_lastUpdated lt 1960", set())))
@example(either(("gender eq male", {0, 2}), negated(("_lastUpdated lt 1960", set()))))
def test_an_expression_finds_what_its_parts_find_together(expression: Expression) -> None:
    text, expected = expression
    found = {n for n, each in enumerate(PATIENTS) if finds({"resourceType": "Patient", **each}, ("_filter", text))}
    assert found == expected, text
