"""https://hl7.org/fhirpath/N1/#matchesregex--string--boolean"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhirpath import patterns
from fhir_server.fhirpath.syntax import Unsupported

# pattern, texts in which it is found, texts in which it is not
FOUND: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("^[0-9]{12}$", ("001315135956",), ("00131513595", "001315135956\n", "x001315135956")),
    ("^([0-9]{10}|[A-Z]{2}[0-9]{13})$", ("9472135956", "DN4790123456789"), ("DN479",)),
    ("^[A-Za-z][A-Za-z0-9.-]{0,31}$", ("TCM8KKN92",), ("", "8A", "A_")),
    ("a.c", ("xa\ncx",), ("ac",)),
    (r"^Nguyễn\s\w+$", ("Nguyễn An",), ("Nguyễn",)),
    ("^(a+)+$", ("aaa",), ("aab", "aaa\n")),
    ("(ab|cd)(e|f)", ("xcdf",), ("cde".upper(),)),
    ("Trần(g|h)*$", ("Trầngh",), ("Trầnx",)),
    ("x+y*", ("xx",), ("y",)),
    (r"\$[$]$", ("$$",), ("$$\n",)),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), FOUND, ids=[pattern for pattern, _, _ in FOUND])
def test_a_pattern_is_found_where_it_is(pattern: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    find = patterns.finding(pattern)
    assert [text for text in good if not find(text)] == []
    assert [text for text in bad if find(text)] == []


LONG = 100_000
HOSTILE = {
    "a group that repeats within one that does": ("^(a+)+$", "a" * LONG + "b"),
    "alternatives that are the same, again and again": ("^(a|a){60}$", "a" * 59 + "b"),
    "many groups": ("^" + "(a|aa)" * 60 + "$", "a" * 100 + "b"),
    "many of variable length": ("^" + "a*" * 30 + "$", "a" * 500 + "b"),
    "one of variable length, tried everywhere": ("a*b", "a" * LONG),
    "as many, one after the other, tried everywhere": ("a{1000}b", "a" * LONG),
    "alternatives outside of a group": ("^x|a*b", "a" * LONG),
    "a group within a group": ("^((a|a)(a|a)(a|a)*)*$", "a" * 60 + "b"),
}


@pytest.mark.parametrize(("pattern", "text"), HOSTILE.values(), ids=HOSTILE)
def test_no_pattern_keeps_the_server_busy(pattern: str, text: str) -> None:
    assert not patterns.finding(pattern)(text)  # backtracking, most of these would not end in a day
    assert patterns.replacing(pattern, "x")(text) == text


@pytest.mark.parametrize("pattern", ["(", "[a", r"(a)\1", "(?=a)", "a**", "a{99999}"])
def test_refuses_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(Unsupported, match="the regular expression"):
        patterns.finding(pattern)


def test_refuses_a_group_that_the_pattern_has_not() -> None:
    with pytest.raises(Unsupported, match="has 1 groups"):
        patterns.replacing("(a)", "$2")


def test_half_a_surrogate_pair_is_a_character_like_others() -> None:
    assert patterns.finding("(a*)*b")("\ud800b")
    assert not patterns.finding("(a*)*b")("a\ud800")
    assert patterns.finding("(a*)*\ud800")("x\ud800")


PARTS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\.", "a{2}", "b*", "a+", "b?", "(a|b)", "(?:ab|b)", "|", "$"]
)


@given(st.lists(PARTS, max_size=6), st.booleans(), st.text("ab1.\n", max_size=8))
def test_both_readers_find_the_same(parts: list[str], anchored: bool, text: str) -> None:
    pattern = "^" * anchored + "".join(parts)
    try:
        expected = re.search(pattern.replace("$", r"\Z"), text, re.DOTALL)
    except re.error:
        return
    assert bool(patterns.finding(pattern)(text)) == bool(expected)


@pytest.mark.parametrize(
    ("pattern", "text", "value", "replaced"),
    [
        ("N", "M", "Nguyễn", "Mguyễn"),
        (r"(\d+)/(\d+)", "$2-$1", "Số 3/2026", "Số 2026-3"),
        ("", "x", "abc", "abc"),
        ("(a)|(b)", "[$1$2$0]", "ab", "[aa][bb]"),
        ("a", "\\q\\", "ab", "\\q\\b"),
        ("a", "\ud800", "a\udfff", "\ud800\udfff"),
        ("ễ", "e", "Nguyễn", "Nguyen"),
    ],
)
def test_replaces_what_is_found(pattern: str, text: str, value: str, replaced: str) -> None:
    assert patterns.replacing(pattern, text)(value) == replaced
