"""Transactions: all or nothing, whoever else is writing.

https://hl7.org/fhir/R4/http.html#transaction
"""

import asyncio
import itertools
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.outcome import FhirError, TooLarge, Unavailable
from fhir_server.store import ClaimTaken, Limits, Put, Store, VersionConflict, connect
from fhir_server.store.documents import history_document
from tests.store.versions import create, update, version


async def _contents(store: Store) -> dict[str, dict[str, int]]:
    types = ("Immunization", "Patient")
    return {
        type: {found.stored.id: found.stored.version for found in await store.find(type, {}, limit=999)}
        for type in types
    }


async def test_stores_creates_updates_and_deletions_of_many_types_together(store: Store) -> None:
    old, gone = create("old", raw=b"1"), create("gone", raw=b"1")
    await store.commit([old, gone])
    puts = [
        create("new", "x"),
        update(old.new, raw=b"2"),
        update(gone.new, raw=None),
        *(create(f"i{number}", type="Immunization") for number in range(300)),
    ]
    await store.commit(puts)
    keys = [(put.new.type, put.new.id) for put in puts]
    assert await store.read_many(keys) == {(put.new.type, put.new.id): put.new for put in puts}
    assert await store.history("Patient", "old", limit=9) == [puts[1].new, old.new]
    assert await store.vread("Patient", "gone", 1) == gone.new


async def test_nothing_and_one_are_transactions_too(store: Store) -> None:
    await store.commit([])
    await store.commit([create("a")])
    with pytest.raises(VersionConflict):
        await store.commit([create("a")])


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (lambda old: create("old"), VersionConflict),
        (lambda old: update(version("old", 1)), VersionConflict),
        (lambda old: update(version("nowhere", 1)), VersionConflict),
        (lambda old: create("twin", claims=("n|1",)), ClaimTaken),
        (lambda old: create("large", raw=b"0" * (17 << 20)), TooLarge),
        (lambda old: create("odd", "\ud800"), FhirError),
    ],
    ids=["an id in use", "an old version", "no version", "a claim taken", "too large", "not Unicode"],
)
async def test_nothing_is_stored_when_the_last_is_refused(store: Store, last: Any, error: type[Exception]) -> None:
    old = create("old", claims=("n|1",))
    await store.commit([old])
    before = await _contents(store)
    puts = [
        *(create(f"i{number}", type="Immunization") for number in range(50)),
        *(create(f"p{number}") for number in range(50)),
        last(old.new),
    ]
    for order in (puts, puts[::-1]):
        with pytest.raises(error) as caught:
            await store.commit(order)
        if isinstance(caught.value, VersionConflict | ClaimTaken):
            assert caught.value.type == "Patient"
            assert caught.value.id in {"old", "nowhere"}
    assert await _contents(store) == before
    assert await store.history("Patient", "old", limit=9) == [old.new]


async def test_a_claim_moves_from_one_resource_to_another_in_one_transaction(store: Store) -> None:
    first = create("a", claims=("n|1",))
    await store.commit([first])
    second = create("b", claims=("n|1",))
    await store.commit([second, update(first.new, raw=None)])
    await store.commit([update(second.new, claims=()), create("0", claims=("n|1",))])
    with pytest.raises(ClaimTaken, match="Patient/0"):
        await store.write(create("c", claims=("n|1",)))


async def test_the_copy_left_by_a_crash_does_not_hinder_a_transaction(
    store: Store, mongodb_uri: str, database: str
) -> None:
    first = create("a", raw=b"1")
    await store.write(first)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[database]["Patient_History"].insert_one(history_document(first.new))
    second = update(first.new, raw=b"2")
    await store.commit([second, create("b")])
    assert await store.history("Patient", "a", limit=9) == [second.new, first.new]


async def test_of_parallel_transactions_on_the_same_resources_exactly_one_wins_each_round(store: Store) -> None:
    a, b = create("a").new, create("b", type="Immunization").new
    await store.commit([Put(a, None), Put(b, None)])
    for _ in range(3):
        rivals = [[update(a), update(b)] if number % 2 else [update(b), update(a)] for number in range(12)]
        single = update(a)
        answers = await asyncio.gather(
            *(store.commit(puts) for puts in rivals), store.write(single), return_exceptions=True
        )
        assert answers.count(None) == 1
        assert all(answer is None or isinstance(answer, VersionConflict) for answer in answers)
        read = await store.read_many([("Patient", "a"), ("Immunization", "b")])
        winner = [*rivals, [single]][answers.index(None)]
        for put in winner:
            assert read[put.new.type, put.new.id] == put.new
        a, b = read["Patient", "a"], read["Immunization", "b"]


async def test_of_parallel_transactions_with_one_claim_exactly_one_wins_and_the_others_learn_who(store: Store) -> None:
    rivals = [[create(f"a{number}", claims=("n|1",)), create(f"b{number}")] for number in range(12)]
    answers = await asyncio.gather(*(store.commit(puts) for puts in rivals), return_exceptions=True)
    winner = answers.index(None)
    for number, answer in enumerate(answers):
        if number != winner:
            assert isinstance(answer, ClaimTaken)
            assert answer.id == f"a{winner}"
    assert (await _contents(store))["Patient"] == {f"a{winner}": 1, f"b{winner}": 1}


async def test_transactions_that_share_nothing_all_succeed(store: Store) -> None:
    counter = itertools.count()
    bundles = [[create(f"p{next(counter)}", type=type) for type in ("Patient", "Immunization")] for _ in range(40)]
    await asyncio.gather(*map(store.commit, bundles))
    assert await store.count("Patient", {}) == await store.count("Immunization", {}) == 40


async def test_readers_see_all_of_a_transaction_or_nothing_of_it(store: Store) -> None:
    puts = [create(f"p{number}", raw=b"0") for number in range(20)]
    await store.commit(puts)
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            found = await store.find("Patient", {}, limit=99)
            assert len({match.stored.raw for match in found}) == 1

    watching = asyncio.ensure_future(watch())
    for round in range(10):
        puts = [update(put.new, raw=str(round).encode()) for put in puts]
        await store.commit(puts)
    done.set()
    await watching


async def test_refuses_transactions_when_too_many_wait(mongodb_uri: str, database: str) -> None:
    async with await connect(mongodb_uri, database, Limits(waiting=4, transactions=1)) as store:
        bundles = [[create(f"a{number}"), create(f"b{number}")] for number in range(10)]
        answers = await asyncio.gather(*map(store.commit, bundles), return_exceptions=True)
        assert [isinstance(answer, Unavailable) for answer in answers].count(True) == 6
        assert await store.count("Patient", {}) == 8
