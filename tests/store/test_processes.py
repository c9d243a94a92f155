"""https://www.mongodb.com/docs/manual/core/transactions/: what the processes on one database agree on."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fhir_server.outcome import Unavailable
from fhir_server.store import ClaimTaken, Store, VersionConflict, connect
from fhir_server.store import processes as module
from tests.store.versions import create, update

COUNTED = frozenset({"ValueSet"})


@pytest.fixture
async def counting(mongodb_uri: str, database: str) -> AsyncIterator[Store]:
    async with await connect(mongodb_uri, database, counted=COUNTED) as store:
        await store.processes.prepare()
        yield store


async def number(store: Store) -> int:
    return (await store.processes.current()).number


async def test_a_commit_of_definitions_counts_one_generation(counting: Store) -> None:
    begun = await number(counting)
    await counting.write(create("a", type="Patient"))
    assert (await number(counting), counting.processes.heard) == (begun, 0)
    first = create("v", type="ValueSet")
    await counting.write(first)
    assert (await number(counting), counting.processes.heard) == (begun + 1, begun + 1)
    await counting.commit([update(first.new), create("w", type="ValueSet"), create("b", type="Patient")])
    assert await number(counting) == begun + 2
    await counting.commit([])
    assert await number(counting) == begun + 2


async def test_what_is_refused_counts_nothing(counting: Store) -> None:
    first = create("v", type="ValueSet", claims=("url",))
    await counting.write(first)
    begun = await number(counting)
    with pytest.raises(VersionConflict):
        await counting.write(create("v", type="ValueSet"))
    with pytest.raises(ClaimTaken):
        await counting.commit([create("w", type="ValueSet", claims=("url",)), create("b", type="Patient")])
    assert (await number(counting), counting.processes.heard) == (begun, begun)


async def test_commits_of_several_processes_are_all_counted(counting: Store, mongodb_uri: str, database: str) -> None:
    begun = await number(counting)
    async with await connect(mongodb_uri, database, counted=COUNTED) as other:
        stores = (counting, other)
        await asyncio.gather(*(stores[each % 2].write(create(f"v{each}", type="ValueSet")) for each in range(12)))
        assert await number(other) == begun + 12


async def test_who_is_behind_is_counted_until_it_is_dead(
    counting: Store, mongodb_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await connect(mongodb_uri, database) as other:
        await counting.processes.tell(7, "here")
        await other.processes.tell(6, "here")
        assert await counting.processes.behind(7, "here") == 1
        assert await counting.processes.behind(6, "here") == 0
        await other.processes.tell(7, "elsewhere")
        assert await counting.processes.behind(7, "here") == 1  # with other settings
        await other.processes.tell(7, "here")
        assert await counting.processes.behind(7, "here") == 0
        await other.processes.tell(6, "here")
        await other.processes.leave()
        assert await counting.processes.behind(7, "here") == 0
        await other.processes.tell(6, "here")
        monkeypatch.setattr(module, "ALIVE", -1)
        assert await counting.processes.behind(7, "here") == 0


async def test_who_arrives_is_waited_for_until_it_knows_what_is_in_force(
    counting: Store, mongodb_uri: str, database: str
) -> None:
    async with await connect(mongodb_uri, database) as other:
        await other.processes.arrive()
        assert await counting.processes.behind(1, "here") == 1
        await other.processes.tell(1, "here")
        assert await counting.processes.behind(1, "here") == 0


async def test_who_the_others_take_for_dead_does_not_write(counting: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await counting.write(create("before"))  # who never told that it is there is nobody's problem
    await counting.processes.tell(1, "here")
    await counting.write(create("a"))
    monkeypatch.setattr(module, "SILENT", -1)
    with pytest.raises(Unavailable):
        await counting.write(create("b"))
    with pytest.raises(Unavailable):
        await counting.commit([create("c"), create("d")])
    await counting.processes.arrive()  # it must first look what is in force
    assert counting.processes.silent
    assert await counting.read("Patient", "a") is not None
    monkeypatch.undo()
    await counting.processes.tell(1, "here")
    await counting.write(create("b"))


async def test_one_at_a_time_changes_packages(counting: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = counting.processes
    begun = await number(counting)
    assert await processes.change("one", 60)
    assert (await processes.current()).changing
    assert await processes.change("one", 60)
    assert not await processes.change("other", 60)
    await processes.changed("other")  # it has nothing to give back
    assert not await processes.change("other", 60)
    await processes.changed("one")
    now = await processes.current()
    assert (now.number, now.changing, processes.heard) == (begun + 1, False, begun + 1)
    assert await processes.change("other", -1)  # one that died long ago
    assert not (await processes.current()).changing
    assert await processes.change("one", 60)
