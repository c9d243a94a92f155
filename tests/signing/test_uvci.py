"""https://ec.europa.eu/health/sites/health/files/ehealth/docs/vaccination-proof_interoperability-guidelines_en.pdf"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import uvci
from signing.refusal import Refused


@given(st.binary(min_size=16, max_size=16))
def test_an_identifier_is_the_prefix_and_32_hexadecimal_digits(random: bytes) -> None:
    identifier = uvci.make(random)
    assert re.fullmatch(r"URN:UVCI:01:VN:[0-9A-F]{32}", identifier)
    assert bytes.fromhex(identifier[-32:]) == random


@given(st.binary(min_size=16, max_size=16))
def test_the_check_character_is_found_right(random: bytes) -> None:
    identifier = uvci.make(random, checked=True)
    assert len(identifier) <= 80
    assert uvci.checks(identifier) is True


@pytest.mark.parametrize(
    ("identifier", "character"),
    [("URN:UVCI:01:NL:187/37512422923", "Z"), ("URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813", "B")],
    ids=["FAQ of the DCC schema", "test data of Austria"],
)
def test_computes_the_published_check_characters(identifier: str, character: str) -> None:
    assert uvci.check_character(identifier) == character
    assert uvci.checks(f"{identifier}#{character}")
    assert uvci.checks(f"{identifier}#{character}".lower())


@given(st.binary(min_size=16, max_size=16), st.integers(0, 46), st.sampled_from(uvci.ALPHABET))
def test_one_wrong_character_is_noticed(random: bytes, place: int, character: str) -> None:
    body, check = uvci.make(random, checked=True).split("#")
    altered = body[:place] + character + body[place + 1 :]
    assert uvci.checks(f"{altered}#{check}") is (altered == body)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [("URN:UVCI:01:VN:AB", None), ("URN:UVCI:01:VN:Ắ#A", False), ("URN:UVCI:01:VN:AB#", False), ("#", False)],
    ids=["no check", "foreign character", "empty check", "nothing but the mark"],
)
def test_a_missing_check_is_no_wrong_one(identifier: str, expected: bool | None) -> None:
    assert uvci.checks(identifier) is expected


@pytest.mark.parametrize("size", [0, 15, 17])
def test_an_identifier_that_could_be_guessed_is_refused(size: int) -> None:
    with pytest.raises(Refused, match="16 random bytes"):
        uvci.make(bytes(size))
