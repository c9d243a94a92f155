"""Lines and their answers: the same, in the same order, whoever gives them."""

import os
from collections.abc import Generator, Iterator
from concurrent.futures.process import BrokenProcessPool

import pytest

from fhir_server.cli import batch

LINES = [f"{number} {'x' * (number % 50)}" for number in range(3 * batch.LINES + 7)]


@pytest.mark.parametrize("lines", [LINES, LINES[:1], []], ids=["many", "one", "none"])
@pytest.mark.parametrize("processes", [1, 2, 5])
def test_answers_come_in_the_order_of_their_lines(lines: list[str], processes: int) -> None:
    assert list(batch.answers(iter(lines), str.upper, processes)) == [line.upper() for line in lines]


def test_what_is_asked_of_several_is_asked_in_other_processes() -> None:
    others = set(batch.answers(iter(LINES), lambda _: str(os.getpid()), 2))
    assert str(os.getpid()) not in others
    assert set(batch.answers(iter(LINES), lambda _: str(os.getpid()), 1)) == {str(os.getpid())}


def test_long_lines_are_given_a_few_at_a_time() -> None:
    parts = list(batch._parts("x" * (batch.CHARACTERS // 2) for _ in range(10)))
    assert [len(part) for part in parts] == [3, 3, 3, 1]


def test_only_so_much_is_read_ahead_as_is_worked_at() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "line"

    given = batch.answers(endless(), str.upper, 2)
    assert isinstance(given, Generator)
    assert next(given) == "LINE"
    assert taken <= (2 * batch.AHEAD + 1) * batch.LINES
    given.close()


def test_the_death_of_a_process_is_told() -> None:
    with pytest.raises(BrokenProcessPool):
        list(batch.answers(iter(LINES), lambda _: os._exit(1), 2))
