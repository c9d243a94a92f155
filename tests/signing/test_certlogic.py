"""https://github.com/ehn-dcc-development/eu-dcc-business-rules/blob/main/certlogic/specification/README.md"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import certlogic
from signing.refusal import Refused

SUITE = Path(__file__).parents[2] / "../shared/certificates/certlogic"


def assertions() -> dict[str, tuple[Any, Any, Any]]:
    """Return every assertion of the public suite: expression, data, expected value."""
    found = {}
    for file in sorted((SUITE / "testSuite").glob("*.json")):
        for place, case in enumerate(json.loads(file.read_text("utf-8"))["cases"]):
            for number, one in enumerate(case["assertions"]):
                expression = one.get("certLogicExpression", case.get("certLogicExpression"))
                found[f"{file.stem}/{place} {case['name']}/{number}"] = (expression, one["data"], one["expected"])
    return found


def refusals() -> dict[str, tuple[Any, bool]]:
    """Return every expression of the suite of validation, and whether it is refused."""
    found = {}
    for file in sorted((SUITE / "validation-testSuite").glob("*.json")):
        for number, case in enumerate(json.loads(file.read_text("utf-8"))["cases"]):
            found[f"{file.stem}/{number}"] = (case["certLogicExpression"], bool(case["issues"]))
    return found


ASSERTIONS, REFUSALS = assertions(), refusals()
suite = pytest.mark.skipif(not ASSERTIONS, reason=f"no suite in {SUITE}")


@suite
@pytest.mark.parametrize("name", ASSERTIONS)
def test_the_public_suite_passes(name: str) -> None:
    expression, data, expected = ASSERTIONS[name]
    value = certlogic.evaluate(expression, data)
    value = value.isoformat() if isinstance(value, datetime) else value
    assert (type(value), value) == (type(expected), expected)


@suite
def test_the_suite_is_all_here() -> None:
    assert (len(ASSERTIONS), len(REFUSALS)) == (232, 23)


@suite
@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_rule_is_found_without_data(name: str) -> None:
    expression, refused = REFUSALS[name]
    assert bool(certlogic.problems(expression)) is refused


MANY = list(range(200))


@pytest.mark.parametrize(
    "expression",
    [
        {"reduce": [MANY, {"reduce": [MANY, {"+": [{"var": "accumulator"}, 1]}, 0]}, 0]},
        {"!": [{"!": [{"!": [{"var": "x"}]}]}] * 5000},
    ],
    ids=["a loop in a loop", "many operands"],
)
def test_a_rule_takes_only_so_many_steps(expression: Any) -> None:
    with pytest.raises(Refused, match="rule-too-long"):
        certlogic.evaluate(expression, {})


def test_a_rule_is_only_so_deep() -> None:
    deep: Any = True
    for _ in range(5000):
        deep = {"!": [deep]}
    with pytest.raises(Refused, match="rule-too-long"):
        certlogic.evaluate(deep, {})
    assert certlogic.problems(deep)


@pytest.mark.parametrize(
    "expression",
    [
        {"plusTime": ["2021-06-31", 1, "day"]},
        {"plusTime": ["2021-06-30", 1, "week"]},
        {"plusTime": ["2021-06-30", 10**9, "year"]},
        {"plusTime": ["2021-W01", 1, "day"]},
        {"dccDateOfBirth": ["2021-13"]},
        {"after": ["2021-06-30"]},
        {"after": [1, 2]},
        {"in": ["a", "abc"]},
        {"+": [1, "2"]},
        {"+": [1, 2.5]},
        {">": [True, False]},
        {"reduce": ["abc", 1, 2]},
        {"extractFromUVCI": [1, 2]},
        {"or": [1, 2]},
        {"var": 5},
        None,
        1.5,
    ],
    ids=str,
)
def test_what_has_no_value_is_refused(expression: Any) -> None:
    with pytest.raises(Refused):
        certlogic.evaluate(expression, {})


names = st.sampled_from([*certlogic._NAMES, "var", "or"])
rules = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just({"var": ""}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, st.lists(inner, max_size=3) | inner, max_size=2),
    max_leaves=15,
)


@given(rules, rules)
def test_any_rule_has_a_value_or_is_refused(rule: Any, data: Any) -> None:
    certlogic.problems(rule)
    try:
        certlogic.evaluate(rule, data)
    except Refused:
        return
