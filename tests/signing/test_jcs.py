"""https://www.rfc-editor.org/rfc/rfc8785"""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import jcs
from signing.refusal import Refused

# Appendix B of the RFC, and numbers on both sides of where the notation changes.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (1e21, "1e+21"),
    (999999999999999900000.0, "999999999999999900000"),
    (333333333.3333332, "333333333.3333332"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1e-7, "1e-7"),
    (1424953923781206.2, "1424953923781206.2"),
    (10, "10"),
    (Decimal("1.10"), "1.1"),
    (Decimal("100"), "100"),
]


@pytest.mark.parametrize(("number", "text"), NUMBERS, ids=[text for _, text in NUMBERS])
def test_numbers_are_written_as_javascript_does(number: Any, text: str) -> None:
    assert jcs.canonical(number).decode() == text


def test_members_are_sorted_by_their_utf_16_code_units() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = jcs.canonical(dict.fromkeys(names, 1))
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_texts_are_escaped_only_where_they_must_be() -> None:
    assert jcs.canonical('\u20ac$\u000f\nA\'B"\\\\"/').decode() == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), Decimal("NaN"), Decimal("1e999"), 10**400, "\ud800", {"\ud800": 1}, {1: 2}, b"", {1}],
    ids=[
        "NaN",
        "infinity",
        "decimal NaN",
        "huge decimal",
        "huge",
        "half",
        "half a name",
        "number name",
        "bytes",
        "set",
    ],
)
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match="not-canonical"):
        jcs.canonical(value)


def test_what_is_nested_too_deep_is_refused() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(Refused, match="not-canonical"):
        jcs.canonical(deep)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(anything)
def test_what_is_written_says_the_same_and_is_canonical(value: Any) -> None:
    written = jcs.canonical(value)
    assert json.loads(written, parse_int=float) == value  # as a reader with doubles only would
    assert jcs.canonical(json.loads(written)) == written
