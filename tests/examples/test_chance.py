"""https://docs.python.org/3/library/random.html#notes-on-reproducibility"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.chance import Chance, Weighted


def test_the_draws_are_the_same_everywhere() -> None:
    chance = Chance(2026, 1)
    assert [chance.below(1000) for _ in range(5)] == [939, 223, 105, 210, 901]


@given(st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20), st.integers(0, 2**30), st.integers(0, 2**30))
def test_only_the_same_seed_and_number_give_the_same_draws(seed: int, other: int, number: int, second: int) -> None:
    same = (seed, number) == (other, second)
    assert ([Chance(seed, number).draw() for _ in "ab"] == [Chance(other, second).draw() for _ in "ab"]) == same


@pytest.mark.parametrize(("draw", "value"), [(0.0, "a"), (0.2499, "a"), (0.25, "b"), (0.9999, "b")])
def test_a_draw_falls_on_a_value_by_its_weight(draw: float, value: str) -> None:
    assert Weighted([("a", 1), ("b", 3)]).at(draw) == value


@given(st.integers(0, 2**30), st.integers(1, 1000))
def test_draws_stay_within_their_limits(number: int, limit: int) -> None:
    chance = Chance(1, number)
    assert 0 <= chance.below(limit) < limit
    assert 0 <= chance.soon(limit) <= limit
    assert -limit <= chance.between(-limit, limit) <= limit
    assert chance.one("abc") in "abc"


def test_soon_is_mostly_soon() -> None:
    chance = Chance(1, 1)
    days = Counter(chance.soon(40) for _ in range(2000))
    assert sum(count for day, count in days.items() if day <= 10) > 1000
