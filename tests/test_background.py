"""Work in the background ends with its owner."""

import asyncio
import logging

import pytest

from fhir_server.background import Background


async def test_work_that_loses_a_cancellation_ends_all_the_same() -> None:
    """As in Python 3.11 whatever waits by `asyncio.wait_for` may: the cancellation comes when it is just done."""
    background, rounds = Background(), 0

    async def deaf() -> None:
        nonlocal rounds
        while rounds < 3:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                rounds += 1

    tasks = [background.begin(deaf()), background.begin(asyncio.sleep(3600))]
    await asyncio.sleep(0)
    await asyncio.wait_for(background.close(), 30)
    assert rounds == 3
    assert [task.done() for task in tasks] == [True, True]


async def test_what_work_begins_while_it_is_ended_ends_too() -> None:
    background = Background()
    later: list[asyncio.Task[None]] = []

    async def leaving() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            later.append(background.begin(asyncio.sleep(3600)))

    background.begin(leaving())
    await asyncio.sleep(0)
    await asyncio.wait_for(background.close(), 30)
    assert [task.cancelled() for task in later] == [True]


async def test_the_log_tells_of_work_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    background = Background()

    async def failing() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait([background.begin(failing())])
        await background.close()
    [record] = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"
