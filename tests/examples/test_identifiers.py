"""Decree NĐ 137/2015/NĐ-CP, article 13: how a citizen number is made."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import identifiers

SERIALS = st.integers(0, 999_999)


@pytest.mark.parametrize(
    ("gender", "birth", "digits"),
    [
        ("male", date(1975, 4, 30), "0010" + "75"),
        ("female", date(1999, 12, 31), "0011" + "99"),
        ("male", date(2000, 1, 1), "0012" + "00"),
        ("female", date(2025, 8, 12), "0013" + "25"),
    ],
    ids=["man of the 20th century", "woman of the 20th", "man of the 21st", "woman of the 21st"],
)
def test_a_citizen_number_tells_place_century_sex_and_year(gender: str, birth: date, digits: str) -> None:
    assert re.fullmatch(digits + "[0-9]{6}", identifiers.cccd("001", gender, birth, 7))


@given(SERIALS, SERIALS)
def test_two_people_never_share_a_number(one: int, other: int) -> None:
    birth = date(2020, 1, 1)
    same = one == other
    assert (identifiers.cccd("001", "male", birth, one) == identifiers.cccd("001", "male", birth, other)) == same
    assert (identifiers.bhyt(one) == identifiers.bhyt(other)) == same
    assert (identifiers.programme(one) == identifiers.programme(other)) == same
    assert (identifiers.telephone(one) == identifiers.telephone(other)) == same


@pytest.mark.parametrize("distance", [200_000, 500_000], ids=["a fifth", "a half"])
def test_citizen_numbers_repeat_only_after_a_million(distance: int) -> None:
    birth = date(2020, 1, 1)
    assert identifiers.cccd("001", "male", birth, 1) != identifiers.cccd("001", "male", birth, 1 + distance)
    assert identifiers.programme(1) != identifiers.programme(1 + 32**7 // 2)


@given(SERIALS)
def test_numbers_look_as_they_should(serial: int) -> None:
    assert re.fullmatch("[0-9]{10}", identifiers.bhyt(serial))
    assert re.fullmatch("TC[0-9A-HJKMNP-TV-Z]{7}", identifiers.programme(serial))
    assert re.fullmatch(r"\+84 4[0-9]{8}", identifiers.telephone(serial))
