"""Versions of all resources in the order of time.

https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
import random

import pytest
from pymongo import MongoClient

from fhir_server.store import LAST_SEQUENCE, Store, Stored
from tests.store.versions import create, update

TYPES = ["Immunization", "Observation", "Patient"]


async def _fill(store: Store) -> list[Stored]:
    """Store resources of two types, with updates, deletions and one that came back; return all versions by time."""
    versions = []
    for number in range(4):
        for type in ("Patient", "Immunization"):
            put = create(f"r{number}", type=type)
            await store.write(put)
            versions.append(put.new)
    for old in (versions[0], versions[3], versions[4]):
        put = update(old, raw=b'{"n": 2}')
        await store.write(put)
        versions.append(put.new)
    for old in (versions[0 + 8], versions[1]):
        put = update(old, raw=None)
        await store.write(put)
        versions.append(put.new)
    put = update(versions[-1], raw=b'{"n": 4}')
    await store.write(put)
    return [*versions, put.new]


async def test_an_empty_database_has_no_types_and_no_changes(store: Store) -> None:
    assert await store.types() == []
    assert await store.changes(TYPES, limit=10) == []
    assert await store.newest(TYPES) == 0
    await store.secret("something else")
    assert await store.types() == []


async def test_changes_come_newest_or_oldest_first_within_their_limits(store: Store) -> None:
    versions = await _fill(store)
    assert await store.types() == ["Immunization", "Patient"]
    assert await store.newest(TYPES) == versions[-1].sequence
    assert await store.changes(TYPES, limit=99) == versions[::-1]
    assert await store.changes(TYPES, limit=99, oldest_first=True) == versions
    assert await store.changes(["Patient"], limit=99) == [each for each in versions[::-1] if each.type == "Patient"]
    low, high = versions[3].sequence, versions[9].sequence
    assert await store.changes(TYPES, low=low, high=high, limit=99, oldest_first=True) == versions[3:9]
    assert await store.changes(TYPES, low=high, high=low, limit=99) == []
    assert await store.changes(TYPES, limit=0) == []


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("oldest_first", [True, False], ids=["oldest first", "newest first"])
async def test_pages_hold_every_version_once(store: Store, size: int, oldest_first: bool) -> None:
    versions = await _fill(store)
    seen: list[Stored] = []
    while page := await (
        store.changes(TYPES, low=seen[-1].sequence + 1 if seen else 0, oldest_first=True, limit=size)
        if oldest_first
        else store.changes(TYPES, high=seen[-1].sequence if seen else LAST_SEQUENCE, limit=size)
    ):
        assert len(page) <= size
        seen += page
    assert seen == (versions if oldest_first else versions[::-1])


async def test_pages_lose_and_repeat_nothing_while_versions_are_superseded(store: Store) -> None:
    """Versions move from one collection to the other while the pages are read."""
    chosen = random.Random(7)
    current = {}
    for number in range(12):
        put = create(f"p{number}")
        await store.write(put)
        current[put.new.id] = put.new
    before = {version.sequence for version in current.values()}

    async def writer() -> None:
        for _ in range(300):
            put = update(current[chosen.choice(sorted(current))])
            await store.write(put)
            current[put.new.id] = put.new

    writing = asyncio.create_task(writer())
    walks = 0
    while not writing.done() or not walks:
        top = await store.newest(["Patient"])
        seen: list[int] = []
        while page := await store.changes(["Patient"], high=(seen[-1] if seen else top + 1), limit=5):
            seen += (version.sequence for version in page)
        assert seen == sorted(set(seen), reverse=True)
        assert before <= set(seen)
        before = set(seen)
        walks += 1
    await writing


async def test_a_copy_of_the_current_version_that_a_crash_left_in_the_history_is_no_second_change(
    store: Store, mongodb_uri: str, database: str
) -> None:
    first = create("a", raw=b"1")
    await store.write(first)
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client[database]["Patient_History"].insert_one(
            {"_id": "a/0000000001", "v": 1, "s": first.new.sequence, "m": "PUT", "raw": b"1", "h": b"1"}
        )
    assert await store.changes(["Patient"], limit=10) == [first.new]
    assert await store.successors([first.new]) == {}


async def test_successors_tell_until_when_a_version_was_current(store: Store) -> None:
    versions = await _fill(store)
    by_name = {(each.type, each.id, each.version): each.sequence for each in versions}
    expected = {
        name: by_name[name[0], name[1], name[2] + 1] for name in by_name if (name[0], name[1], name[2] + 1) in by_name
    }
    assert await store.successors(versions) == expected
    assert await store.successors([]) == {}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"oldest_first": True}, [1, 2, 3, 4, 5]),
        ({"before": 4}, [3, 2, 1]),
        ({"after": 2, "oldest_first": True}, [3, 4, 5]),
        ({"after": 5}, []),
        ({"after": 1, "before": 4}, [3, 2]),
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 3, 9])
async def test_the_history_of_one_resource_goes_both_ways(
    store: Store, limits: dict[str, int], expected: list[int], limit: int
) -> None:
    version = await _five(store)
    found = await store.history("Patient", "a", limit=limit, **limits)  # type: ignore[arg-type]
    assert [each.version for each in found] == expected[:limit]
    low, high = version[1].sequence, version[4].sequence
    within = await store.history("Patient", "a", limit=limit, low=low, high=high, **limits)  # type: ignore[arg-type]
    assert [each.version for each in within] == [number for number in expected if 2 <= number < 5][:limit]


async def _five(store: Store) -> list[Stored]:
    put = create("a")
    await store.write(put)
    versions = [put.new]
    for _ in range(4):
        put = update(put.new)
        await store.write(put)
        versions.append(put.new)
    return versions
