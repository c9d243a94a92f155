"""Single writes: grouped on their way, each answered on its own.

https://hl7.org/fhir/R4/http.html#concurrency and https://hl7.org/fhir/R4/http.html#ccreate
"""

import asyncio
from collections.abc import Coroutine
from types import NoneType
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from fhir_server.outcome import FhirError, TooLarge, Unavailable
from fhir_server.store import ClaimTaken, Limits, Put, Store, VersionConflict, connect
from fhir_server.store.documents import history_document
from fhir_server.store.layout import Layout
from fhir_server.store.refusals import Doubt, explain
from tests.store.versions import create, update, version


async def _outcomes(writes: list[Coroutine[Any, Any, None]]) -> list[str]:
    answers = await asyncio.gather(*writes, return_exceptions=True)
    return ["stored" if answer is None else type(answer).__name__ for answer in answers]


async def test_of_parallel_updates_of_one_version_exactly_one_wins(store: Store) -> None:
    current = create("a", raw=b"0").new
    await store.write(Put(current, None))
    for round in range(5):
        puts = [update(current, raw=f"{round}/{number}".encode()) for number in range(50)]
        outcomes = await _outcomes([store.write(put) for put in puts])
        assert outcomes.count("stored") == 1
        assert outcomes.count("VersionConflict") == 49
        read = await store.read("Patient", "a")
        assert read == puts[outcomes.index("stored")].new
        current = read
    assert [old.version for old in await store.history("Patient", "a", limit=99)] == [6, 5, 4, 3, 2, 1]


async def test_of_parallel_creates_of_one_id_exactly_one_wins(store: Store) -> None:
    puts = [create("a", raw=str(number).encode()) for number in range(50)]
    outcomes = await _outcomes([store.write(put) for put in puts])
    assert sorted(set(outcomes)) == ["VersionConflict", "stored"]
    assert outcomes.count("stored") == 1
    assert await store.read("Patient", "a") == puts[outcomes.index("stored")].new


async def test_of_parallel_creates_with_one_claim_exactly_one_wins_and_the_others_learn_who(store: Store) -> None:
    puts = [create(f"p{number}", claims=("identifier|s|1", f"mrn|{number}")) for number in range(50)]
    answers = await asyncio.gather(*(store.write(put) for put in puts), return_exceptions=True)
    [winner] = [put.new.id for put, answer in zip(puts, answers, strict=True) if answer is None]
    for answer in answers:
        if answer is not None:
            assert isinstance(answer, ClaimTaken)
            assert (answer.claim, answer.type, answer.id) == ("identifier|s|1", "Patient", winner)
    assert await store.count("Patient", {}) == 1


async def test_every_member_of_a_group_gets_its_own_answer(store: Store) -> None:
    held = create("held", claims=("n|1",))
    stale = create("stale")
    fresh, other = create("fresh"), create("other", claims=("n|2",))
    for put in (held, stale, fresh, other):
        await store.write(put)
    await store.write(update(stale.new))
    group = {
        "a good create": (create("new", claims=("n|3",)), "stored"),
        "a create of an id in use": (create("held"), "VersionConflict"),
        "a create with a claim taken": (create("twin", claims=("n|9", "n|1")), "ClaimTaken"),
        "a good update": (update(fresh.new), "stored"),
        "an update of an old version": (update(stale.new), "VersionConflict"),
        "an update that takes another's claim": (update(other.new, claims=("n|1",)), "ClaimTaken"),
        "an update of what never was": (update(version("nowhere")), "VersionConflict"),
        "a create of another type": (create("new", type="Immunization"), "stored"),
    }
    outcomes = await _outcomes([store.write(put) for put, _ in group.values()])
    assert dict(zip(group, outcomes, strict=True)) == {name: expected for name, (_, expected) in group.items()}
    assert await store.read("Patient", "twin") is None
    assert await store.read("Patient", "other") == other.new


@pytest.mark.parametrize("poison", ["\ud800", b"\0" * (17 << 20)], ids=["text that is not Unicode", "17 MB"])
@pytest.mark.parametrize("superseding", [False, True], ids=["create", "update"])
async def test_a_member_that_cannot_be_written_does_not_harm_the_others(
    store: Store, poison: str | bytes, superseding: bool
) -> None:
    puts = [create(f"p{number}") for number in range(5)]
    if superseding:
        await asyncio.gather(*map(store.write, puts))
        puts = [update(put.new) for put in puts]
    bad = puts[2].new.id
    old = puts[2].superseded
    raw, entries = (poison, ()) if isinstance(poison, bytes) else (b"{}", (poison,))
    puts[2] = Put(version(bad, 2 if old else 1, raw), old, entries)
    answers = await asyncio.gather(*(store.write(put) for put in puts), return_exceptions=True)
    assert [answer is None for answer in answers] == [True, True, False, True, True]
    assert isinstance(answers[2], TooLarge if isinstance(poison, bytes) else FhirError)
    assert await store.read("Patient", bad) == old
    assert await store.read("Patient", "p3") == puts[3].new


async def test_a_claim_let_go_can_be_taken(store: Store) -> None:
    first = create("a", claims=("n|1",))
    await store.write(first)
    await store.write(update(first.new, raw=None))
    await store.write(create("b", claims=("n|1",)))
    with pytest.raises(ClaimTaken, match="Patient/b"):
        await store.write(create("c", claims=("n|1",)))


async def test_a_resource_keeps_its_claims_through_its_versions(store: Store) -> None:
    put = create("a", claims=("n|1", "n|2"))
    await store.write(put)
    for _ in range(3):
        put = update(put.new, claims=("n|2", "n|1"))
        await store.write(put)
    assert (await store.read("Patient", "a")) == put.new


async def test_claims_are_told_apart_by_type(store: Store) -> None:
    await store.write(create("a", claims=("n|1",)))
    await store.write(create("a", claims=("n|1",), type="Practitioner"))


async def test_a_winner_is_not_told_of_a_conflict_because_others_moved_on(store: Store) -> None:
    """Members of a group whose count falls short are looked up, by when a later version may be current."""
    tallies: list[int] = []

    async def climb(id: str) -> None:
        current = version(id)
        await store.write(Put(current, None))
        stored = 0
        for _ in range(30):
            put = update(current)
            rival = update(current)
            outcomes = await _outcomes([store.write(put), store.write(rival)])
            assert outcomes.count("stored") == 1
            stored += 1
            current = (put, rival)[outcomes.index("stored")].new
        tallies.append(current.version - stored)

    await asyncio.gather(*(climb(f"p{number}") for number in range(8)))
    assert tallies == [1] * 8


async def test_in_doubt_a_write_is_known_by_its_sequence_even_when_a_later_version_is_current(
    store: Store, mongodb_uri: str, database: str
) -> None:
    first = create("a")
    second, rival = update(first.new), update(first.new)
    third = update(second.new)
    for put in (first, second, third):
        await store.write(put)
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        doubts = [Doubt(put) for put in (first, second, rival, third)]
        answers = await explain(Layout(client[database]), "Patient", doubts)
    assert [type(answer) for answer in answers] == [NoneType, NoneType, VersionConflict, NoneType]


async def test_two_servers_on_one_database_agree_who_won(store: Store, mongodb_uri: str, database: str) -> None:
    async with await connect(mongodb_uri, database) as second:
        assert second.node != store.node
        current = version("a")
        await store.write(Put(current, None))
        for _ in range(20):
            puts = [update(current) for _ in range(8)]
            outcomes = await _outcomes([(store, second)[number % 2].write(put) for number, put in enumerate(puts)])
            assert outcomes.count("stored") == 1
            assert outcomes.count("VersionConflict") == 7
            current = puts[outcomes.index("stored")].new
        assert await second.read("Patient", "a") == current


async def test_the_copy_left_by_a_crash_does_not_hinder_the_update(
    store: Store, mongodb_uri: str, database: str
) -> None:
    first = create("a", raw=b"1")
    await store.write(first)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[database]["Patient_History"].insert_one(history_document(first.new))
    second = update(first.new, raw=b"2")
    await store.write(second)
    assert await store.history("Patient", "a", limit=9) == [second.new, first.new]


async def test_writes_that_wait_together_become_few_commands(store: Store, mongodb_uri: str) -> None:
    await store.write(create("first"))
    puts = [create(f"p{number}") for number in range(200)]
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        before = client.admin.command("serverStatus")["metrics"]["commands"]["insert"]["total"]
        await asyncio.gather(*(store.write(put) for put in puts))
        after = client.admin.command("serverStatus")["metrics"]["commands"]["insert"]["total"]
    assert after - before <= 2
    assert await store.count("Patient", {}) == 201


async def test_refuses_writes_when_too_many_wait(mongodb_uri: str, database: str) -> None:
    async with await connect(mongodb_uri, database, Limits(waiting=10, group=2)) as store:
        puts = [create(f"p{number}") for number in range(25)]
        answers = await asyncio.gather(*(store.write(put) for put in puts), return_exceptions=True)
        refused = [answer for answer in answers if answer is not None]
        assert len(refused) == 15
        assert all(isinstance(answer, Unavailable) and answer.retry_after for answer in refused)
        assert await store.count("Patient", {}) == 10
        await store.write(create("later"))


async def test_a_writer_that_goes_away_takes_nobody_along(store: Store) -> None:
    puts = [create(f"p{number}") for number in range(3)]
    tasks = [asyncio.ensure_future(store.write(put)) for put in puts]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert await asyncio.gather(tasks[0], tasks[2]) == [None, None]
    assert await store.read("Patient", "p2") == puts[2].new
    await store.write(create("after"))
