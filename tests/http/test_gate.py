"""Many large bodies at once: a few are worked on, some wait, the rest is asked to come back; small requests go on.

https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4 — docs/decisions/0023-gate.md
"""

import asyncio
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.outcome import Unavailable
from fhir_server.web.gate import WAITING, Gate
from tests.http.serving import PATIENT, bundle, entry, serving

LARGE = 10
ROOM = 100


def gate(patience: float = 60) -> Gate:
    return Gate(ROOM, large=LARGE, patience=patience)


class Work:
    """Bodies that were let in, and the one event that lets them all go."""

    def __init__(self, gate: Gate):
        self.gate = gate
        self.inside: list[int] = []
        self.most = 0
        self.done = asyncio.Event()

    async def one(self, size: int) -> int:
        async with self.gate.passing(size):
            self.inside.append(size)
            self.most = max(self.most, sum(each for each in self.inside if each >= LARGE))
            await self.done.wait()
            self.inside.remove(size)
        return size


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_bytes_than_there_is_room_for_are_inside() -> None:
    work = Work(gate())
    tasks = [asyncio.create_task(work.one(40)) for _ in range(9)]
    await turns()
    assert work.inside == [40, 40]
    work.done.set()
    assert await asyncio.gather(*tasks) == [40] * 9
    assert work.most == 80


async def test_small_ones_never_wait() -> None:
    work = Work(gate())
    tasks = [asyncio.create_task(work.one(size)) for size in (100, 100, 9, 1)]
    await turns()
    assert work.inside == [100, 9, 1]
    work.done.set()
    await asyncio.gather(*tasks)


async def test_one_that_is_larger_than_the_room_goes_alone_and_in_its_turn() -> None:
    work = Work(gate())
    tasks = [asyncio.create_task(work.one(size)) for size in (20, 300, 20)]
    await turns()
    assert work.inside == [20]  # the last would fit, but is behind the large one
    work.done.set()
    await asyncio.gather(*tasks)
    assert work.most == 300


async def test_who_finds_the_queue_full_is_sent_away_with_a_time() -> None:
    work = Work(gate())
    tasks = [asyncio.create_task(work.one(100)) for _ in range(1 + WAITING)]
    await turns()
    with pytest.raises(Unavailable) as refused:
        await work.one(10)
    assert refused.value.retry_after == 5
    work.done.set()
    await asyncio.gather(*tasks)
    assert await work.one(10) == 10  # there is room again


async def test_who_waits_too_long_or_goes_away_leaves_no_trace() -> None:
    work = Work(gate(patience=0.01))
    first = asyncio.create_task(work.one(100))
    await turns()
    gone = asyncio.create_task(work.one(50))
    await turns()
    gone.cancel()
    with pytest.raises(Unavailable):
        await work.one(50)
    with pytest.raises(asyncio.CancelledError):
        await gone
    work.done.set()
    await first
    assert await asyncio.gather(work.one(60), work.one(40)) == [60, 40]


@pytest.fixture
async def narrow(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that works on one large body at a time, and lets four wait."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, large_bodies=300 * 1024) as client:
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_of_many_large_transactions_each_is_stored_whole_or_asked_to_come_back(narrow: httpx.AsyncClient) -> None:
    long = {**PATIENT, "address": [{"text": "x" * 7000}]}
    sent = bundle("transaction", *(entry("POST", "Patient", long) for _ in range(40)))
    large = [asyncio.create_task(narrow.post("/fhir", json=sent)) for _ in range(12)]
    small = [
        (await narrow.post("/fhir/Organization", json={"resourceType": "Organization", "name": "x"})) for _ in "abc"
    ]
    assert [answer.status_code for answer in small] == [201] * 3
    answers = await asyncio.gather(*large)
    stored = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(stored) + len(refused) == 12
    assert stored
    assert refused
    for answer in refused:
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["issue"][0]["code"] == "transient"
    assert (await narrow.get("/fhir/Patient?_summary=count")).json()["total"] == 40 * len(stored)
