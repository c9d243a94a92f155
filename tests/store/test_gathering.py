"""Questions that wait together are asked together, and each is answered on its own."""

import asyncio
from collections.abc import Sequence

import pytest

from fhir_server.store.gathering import Gatherer


class Database:
    """Doubles numbers; remembers in which groups they came."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def answer(self, questions: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(questions))
        await asyncio.sleep(0.01)
        if 13 in questions:
            raise LookupError("13")
        return [2 * question for question in questions]


async def test_questions_of_one_moment_go_together() -> None:
    database = Database()
    gatherer = Gatherer(database.answer, most=10)
    assert await asyncio.gather(*(gatherer.ask(n) for n in range(10))) == [2 * n for n in range(10)]
    assert database.groups == [list(range(10))]


async def test_a_group_is_bounded_and_none_is_left_behind() -> None:
    database = Database()
    gatherer = Gatherer(database.answer, most=4)
    assert await asyncio.gather(*(gatherer.ask(n) for n in range(11))) == [2 * n for n in range(11)]
    assert [len(group) for group in database.groups] == [4, 4, 3]


async def test_a_question_does_not_join_a_query_under_way() -> None:
    database = Database()
    gatherer = Gatherer(database.answer, most=10)
    first = gatherer.ask(1)
    await asyncio.sleep(0.005)
    assert await gatherer.ask(2) == 4
    assert await first == 2
    assert database.groups == [[1], [2]]


async def test_a_failure_reaches_all_of_its_group_and_nobody_else() -> None:
    database = Database()
    gatherer = Gatherer(database.answer, most=2)
    found = await asyncio.gather(*(gatherer.ask(n) for n in (13, 1, 2, 3)), return_exceptions=True)
    assert [type(answer) for answer in found] == [LookupError, LookupError, int, int]
    assert await gatherer.ask(4) == 8


async def test_who_goes_away_does_not_disturb_the_others() -> None:
    database = Database()
    gatherer = Gatherer(database.answer, most=10)
    gone, stays = gatherer.ask(1), gatherer.ask(2)
    await asyncio.sleep(0.005)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await stays == 4
