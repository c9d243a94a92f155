"""Closure tables: https://hl7.org/fhir/R4/terminology-service.html#closure"""

from datetime import UTC, datetime, timedelta

from fhir_server.store import Store
from fhir_server.store.closures import Closures, Named, Table

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
A, B, C = ("s", "a"), ("s", "b"), ("t", "c")


async def test_a_table_grows_by_versions(store: Store) -> None:
    closures = store.closures
    assert await closures.read("one") is None
    assert await closures.begin("one", NOW) == await closures.read("one") == Table(0, ())
    assert await closures.add("one", 0, [A, B], NOW)
    assert await closures.add("one", 1, [C], NOW)
    assert await closures.read("one") == Table(2, (Named(*A, 1), Named(*B, 1), Named(*C, 2)))


async def test_who_knows_another_version_adds_nothing(store: Store) -> None:
    closures = store.closures
    await closures.begin("one", NOW)
    assert await closures.add("one", 0, [A], NOW)
    assert not await closures.add("one", 0, [B], NOW)
    assert not await closures.add("none", 0, [B], NOW)
    assert await closures.read("one") == Table(1, (Named(*A, 1),))


async def test_a_table_begun_anew_is_empty(store: Store) -> None:
    await store.closures.begin("one", NOW)
    await store.closures.add("one", 0, [A], NOW)
    assert await store.closures.begin("one", NOW) == await store.closures.read("one") == Table(0, ())


async def test_what_was_not_used_for_longest_makes_room(store: Store) -> None:
    closures = Closures(store.closures._tables.database, most=2)
    for minute, name in enumerate("abc"):
        if name == "c":
            await closures.add("a", 0, [A], NOW + timedelta(minutes=minute))
        await closures.begin(name, NOW + timedelta(minutes=minute))
    assert [name for name in "abc" if await closures.read(name)] == ["a", "c"]
