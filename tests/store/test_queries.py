"""Searching: conditions, keyset pages, sorting by entries, counts.

https://hl7.org/fhir/R4/search.html#sort and https://hl7.org/fhir/R4/http.html#paging
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_server.outcome import TooCostly
from fhir_server.store import ID, Found, Limits, SortKey, Store, connect
from fhir_server.store.queries import alive, is_point
from tests.store.versions import create, update

# id → its entries: n (a name, may repeat or be missing), g (a group)
PEOPLE = {
    "p0": ("n|an", "g|x"),
    "p1": ("n|binh", "g|y"),
    "p2": ("g|x",),
    "p3": ("n|an", "n|zung", "g|y"),
    "p4": (),
    "p5": ("n|dao", "g|x", "o|zz"),
    "p6": ("n|đào", "m|a"),
}
NAME_UP, NAME_DOWN = SortKey("n|", False), SortKey("n|", True)
GROUP_UP, GROUP_DOWN = SortKey("g|", False), SortKey("g|", True)


async def _fill(store: Store) -> None:
    for id, entries in PEOPLE.items():
        await store.write(create(id, *entries, type="Patient"))


def _ids(found: Sequence[Found]) -> list[str]:
    return [match.stored.id for match in found]


async def _pages(store: Store, condition: dict[str, Any], size: int, **order: Any) -> list[str]:
    ids: list[str] = []
    after = None
    while page := await store.find("Patient", condition, after=after, limit=size, **order):
        assert len(page) <= size
        ids += _ids(page)
        after = page[-1].key
    return ids


CONDITIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]),
    ({"ix": "g|x"}, ["p5", "p2", "p0"]),
    ({"ix": {"$in": ["g|y", "m|a"]}}, ["p6", "p3", "p1"]),
    ({"ix": {"$elemMatch": {"$gte": "n|a", "$lt": "n|c"}}}, ["p3", "p1", "p0"]),
    ({"$and": [{"ix": "g|x"}, {"ix": "n|an"}]}, ["p0"]),
    ({"$or": [{"ix": "g|y"}, {"_id": "p4"}]}, ["p4", "p3", "p1"]),
    ({"ix": {"$ne": "g|x"}}, ["p6", "p4", "p3", "p1"]),
    ({"_id": {"$in": ["p1", "p2", "nobody"]}}, ["p2", "p1"]),
    ({"ix": "nothing"}, []),
]
NAMES = ["all", "one entry", "any of", "a range", "both", "either", "not", "ids", "none"]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS, ids=NAMES)
async def test_finds_counts_and_lists_what_satisfies_a_condition_and_is_not_deleted(
    store: Store, condition: dict[str, Any], expected: list[str]
) -> None:
    await _fill(store)
    for doomed in ("d0", "d1"):
        put = create(doomed, "g|x", "g|y", "n|an", "m|a")
        await store.write(put)
        await store.write(update(put.new, raw=None))
    assert _ids(await store.find("Patient", condition, limit=99)) == expected
    assert _ids(await store.find("Patient", condition, limit=99, newest_first=False)) == expected[::-1]
    assert await _pages(store, condition, 2) == expected
    assert await store.count("Patient", condition) == len(expected)
    assert await store.count("Patient", condition, limit=2) == min(2, len(expected))
    assert sorted(await store.ids("Patient", condition, limit=99)) == sorted(expected)
    assert len(await store.ids("Patient", condition, limit=2)) == min(2, len(expected))


ORDERS: list[tuple[list[SortKey], list[str]]] = [
    ([NAME_UP], ["p3", "p0", "p1", "p5", "p6", "p4", "p2"]),
    ([NAME_DOWN], ["p6", "p3", "p5", "p1", "p0", "p4", "p2"]),
    ([GROUP_UP, NAME_DOWN], ["p5", "p0", "p2", "p3", "p1", "p6", "p4"]),
    ([GROUP_DOWN, NAME_UP], ["p3", "p1", "p0", "p5", "p2", "p6", "p4"]),
    ([SortKey(ID, True)], ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]),
    ([GROUP_UP, SortKey(ID, False)], ["p0", "p2", "p5", "p1", "p3", "p4", "p6"]),
]
ORDER_NAMES = ["smallest name", "largest name", "group, name down", "group down, name", "id down", "group, id"]


@pytest.mark.parametrize(("sort", "expected"), ORDERS, ids=ORDER_NAMES)
@pytest.mark.parametrize("size", [1, 3, 50], ids=["one a page", "three a page", "one page"])
async def test_sorts_by_entries_with_missing_values_last_and_continues_after_a_key(
    store: Store, sort: list[SortKey], expected: list[str], size: int
) -> None:
    await _fill(store)
    assert await _pages(store, {}, size, sort=sort) == expected


async def test_resources_that_sort_alike_come_newest_or_oldest_first(store: Store) -> None:
    await _fill(store)
    assert await _pages(store, {"ix": "g|x"}, 1, sort=[GROUP_UP]) == ["p5", "p2", "p0"]
    assert await _pages(store, {"ix": "g|x"}, 1, sort=[GROUP_UP], newest_first=False) == ["p0", "p2", "p5"]


VALUES = st.lists(st.sampled_from(["n|a", "n|b", "n|c", "g|a", "g|b", "$x", "n|$b"]), max_size=3)
KEYS = st.lists(st.sampled_from([NAME_UP, NAME_DOWN, GROUP_UP, GROUP_DOWN]), max_size=2)


@given(rows=st.lists(VALUES, max_size=8), sort=KEYS, size=st.integers(1, 4), newest_first=st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_pages_joined_are_the_sorted_whole(
    store: Store,
    mongodb_uri: str,
    database: str,
    rows: list[list[str]],
    sort: list[SortKey],
    size: int,
    newest_first: bool,
) -> None:
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[database]["Patient"].delete_many({})
    puts = [create(f"p{number}", *entries) for number, entries in enumerate(rows)]
    await store.commit(puts)
    whole = sorted(puts, key=lambda put: put.new.sequence, reverse=newest_first)
    for key in reversed(sort):  # a stable sort by the last key first; missing values stay behind
        values = {put.new.id: [entry for entry in put.entries if entry.startswith(key.prefix)] for put in puts}
        there = [put for put in whole if values[put.new.id]]
        extreme = max if key.descending else min
        there.sort(key=lambda put: extreme(values[put.new.id]), reverse=key.descending)
        whole = there + [put for put in whole if not values[put.new.id]]
    pages = await _pages(store, {}, size, sort=sort, newest_first=newest_first)
    assert pages == [put.new.id for put in whole]


@pytest.mark.parametrize("sort", [[], [NAME_UP]], ids=["by sequence", "by an entry"])
async def test_paging_meets_every_unchanged_resource_exactly_once_while_others_write(
    store: Store, sort: list[SortKey]
) -> None:
    kept = [f"kept{number}" for number in range(60)]
    for number, id in enumerate(kept):
        await store.write(create(id, f"n|{number % 7}"))
        await store.write(create(f"busy{number}", f"n|{number % 7}"))
    done = asyncio.Event()

    async def disturb() -> None:
        for number in range(10_000):
            if done.is_set():
                return
            old = await store.read("Patient", f"busy{number % 60}")
            assert old is not None
            deletion = number % 11 == 0
            await store.write(update(old, raw=None) if deletion else update(old, f"n|{number % 5}"))
            await store.write(create(f"new{number}", f"n|{number % 7}"))

    disturbing = asyncio.ensure_future(disturb())
    for _ in range(3):
        met = await _pages(store, {}, 7, sort=sort)
        assert sorted(id for id in met if id.startswith("kept")) == sorted(kept)
    done.set()
    await disturbing


@pytest.mark.parametrize("sort", [(), (NAME_UP,)], ids=["by time", "by name"])
async def test_matches_come_with_their_entries_when_asked(store: Store, sort: Sequence[SortKey]) -> None:
    await _fill(store)
    wanted = {"_id": {"$in": ["p0", "p4"]}}
    found = await store.find("Patient", wanted, sort=sort, limit=9, entries=True)
    assert {match.stored.id: match.entries for match in found} == {"p0": ("n|an", "g|x"), "p4": ()}
    assert all(match.entries == () for match in await store.find("Patient", wanted, sort=sort, limit=9))


async def test_a_type_never_written_is_empty(store: Store) -> None:
    assert await store.find("Goal", {"ix": "x"}, limit=9) == []
    assert await store.find("Goal", {}, sort=[NAME_UP], limit=9) == []
    assert await store.count("Goal", {}) == 0
    assert await store.ids("Goal", {}, limit=9) == []


async def test_refuses_a_key_of_another_order(store: Store) -> None:
    with pytest.raises(ValueError, match="sorts otherwise"):
        await store.find("Patient", {}, after=("a", 1), limit=9)


@pytest.mark.parametrize(
    ("condition", "narrowed"),
    [
        ({"ix": "a"}, False),
        ({"$and": [{"p": "x"}, {"ix": {"$elemMatch": {"$gte": "a"}}}]}, False),
        ({}, True),
        ({"p": "x"}, True),
        ({"ix": {"$ne": "a"}}, True),
        ({"$or": [{"ix": "a"}, {"p": "x"}]}, True),
        ({"$and": [{"ix": {"$nin": ["a"]}}]}, True),
    ],
    ids=["entry", "scalar and entry", "nothing", "scalar", "negative", "either", "negative within"],
)
def test_asks_for_not_deleted_unless_an_entry_is_required_anyway(condition: dict[str, Any], narrowed: bool) -> None:
    assert (alive(condition) != condition) == narrowed


@pytest.mark.parametrize(
    ("condition", "index"),
    [({"ix": "n|an"}, "entries"), ({"uq": {"$in": ["n|1"]}}, "claims"), ({"d": True}, "deleted"), ({}, "sequence")],
    ids=["an entry", "a claim", "deleted ones", "all, by sequence"],
)
async def test_indexes_serve_what_they_are_for(
    store: Store, mongodb_uri: str, database: str, condition: dict[str, Any], index: str
) -> None:
    await _fill(store)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        plan = client[database]["Patient"].find(condition).sort("s", -1).limit(3).explain()
    assert f"'indexName': '{index}'" in str(plan["queryPlanner"]["winningPlan"])


async def test_the_newest_of_many_matches_come_from_the_index_without_sorting(
    store: Store, mongodb_uri: str, database: str
) -> None:
    await store.commit([create(f"p{number}", "g|x") for number in range(300)])
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        plan = client[database]["Patient"].find({"ix": "g|x"}).sort("s", -1).limit(10).explain()
    assert plan["executionStats"]["totalDocsExamined"] == 10


@pytest.mark.parametrize("sort", [[], [NAME_UP]], ids=["by sequence", "by an entry"])
async def test_a_search_that_takes_too_long_is_refused(mongodb_uri: str, database: str, sort: list[SortKey]) -> None:
    async with await connect(mongodb_uri, database, Limits(query=1)) as store:
        await store.commit([create(f"p{number}", *(f"n|{part}" for part in range(40))) for number in range(1500)])
        slow = {"$expr": {"$lt": [{"$size": {"$setUnion": [{"$range": [0, 2000]}, [1]]}}, 1]}}
        with pytest.raises(TooCostly) as caught:
            await store.find("Patient", slow, sort=sort, limit=10)
        assert "narrow" in caught.value.issues[0].en
        with pytest.raises(TooCostly):
            await store.count("Patient", slow)


async def test_lookups_that_wait_together_are_each_answered_on_their_own(store: Store) -> None:
    names = [f"n|x{number}" for number in range(40)]
    await asyncio.gather(*(store.write(create(f"c{n}-{copy}", name)) for n, name in enumerate(names) for copy in "ab"))
    pages = await asyncio.gather(*(store.find("Patient", {"ix": name}, limit=2, entries=True) for name in names))
    for n, (name, page) in enumerate(zip(names, pages, strict=True)):
        assert {match.stored.id for match in page} == {f"c{n}-a", f"c{n}-b"}
        assert [match.entries for match in page] == [(name,), (name,)]
        assert page[0].stored.sequence > page[1].stored.sequence
    firsts = await asyncio.gather(*(store.find("Patient", {"ix": {"$in": names[:n]}}, limit=1) for n in range(1, 40)))
    assert all(len(first) == 1 for first in firsts)
    ids = await asyncio.gather(
        *(store.ids("Patient", {"ix": name}, limit=1) for name in names), store.ids("Goal", {}, limit=1)
    )
    assert [len(found) for found in ids] == [1] * 40 + [0]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"ix": "a|1"}, True),
        ({"ix": {"$in": ["a", "b"]}}, True),
        ({"ix": {"$in": ["a"] * 65}}, False),
        ({"ix": {"$elemMatch": {"$gte": "a", "$lt": "b"}}}, False),
        ({"$and": [{"ix": "a"}, {"ix": "b"}]}, False),
        ({"ix": "a", "s": {"$gt": 1}}, False),
        ({}, False),
    ],
    ids=str,
)
def test_only_a_few_places_of_the_index_are_looked_up_together(condition: dict[str, Any], expected: bool) -> None:
    assert is_point(condition) is expected
