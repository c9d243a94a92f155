"""Concepts as rows: they answer as concepts in memory do, are derived once, and go when they are superseded.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fhir_server.store import Store, connect
from fhir_server.store.concepts import Built
from terminology.concepts import concepts
from terminology.conditions import (
    ALL,
    NONE,
    Above,
    Active,
    Below,
    Codes,
    Condition,
    Display,
    Equals,
    Every,
    Exists,
    Holds,
    Matches,
    Not,
    Selectable,
    Some,
    Words,
)
from terminology.systems import Head, System

Json = dict[str, Any]

KEY, OF = "CodeSystem/x/1", "CodeSystem/x"
CODES = ["a", "b", "c", "d", "e", "f"]


def row(code: str, *below: Json, **more: Any) -> Json:
    properties = [
        {"code": name, ("valueBoolean" if isinstance(value, bool) else "valueString"): value}
        for name, value in more.pop("properties", {}).items()
    ]
    return {"code": code, **more, **({"property": properties} if properties else {}), "concept": list(below)}


ROWS = concepts(
    [
        {
            "concept": [
                row(
                    "a",
                    row("b", row("c", display="Sữa (mẹ)", properties={"p": "x", "inactive": True})),
                    row("d", display="Đường phố", properties={"p": "y", "validTo": "2025-06-30"}),
                    display="Top",
                    properties={"notSelectable": True},
                ),
                row("e", display="x=y", properties={"p": "x", "parent": "b", "validFrom": "2025-07-01"}),
                row("f", designation=[{"language": "vi", "value": "Hà Nội"}], properties={"q": "new\nline", "pq": "1"}),
            ]
        }
    ]
)
SYSTEM = System(Head("http://example.org/cs"), ROWS)

codes = st.sampled_from([*CODES, "zz"])
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Codes, st.lists(codes, max_size=3).map(tuple)),
    st.builds(Below, codes, st.booleans()),
    st.builds(Above, codes),
    st.builds(
        Equals, st.sampled_from(["p", "q", "parent", "inactive"]), st.tuples(st.sampled_from(["x", "y", "b", "true"]))
    ),
    st.builds(Exists, st.sampled_from(["p", "pq", "q", "parent", "child", "display"])),
    st.builds(Equals, st.just("child"), st.lists(codes, max_size=2).map(tuple)),
    st.builds(
        Matches,
        st.sampled_from(["code", "display", "p", "q"]),
        st.sampled_from(["x", ".", ".*", "[a-c]|x", "new", "a\\.b"]),
    ),
    st.builds(Display, st.sampled_from(["Top", "top", "x=y"])),
    st.builds(Holds, st.sampled_from([date(2019, 1, 1), date(2025, 6, 30), date(2025, 7, 1)])),
    st.sampled_from([Active(), Selectable(), ALL, NONE]),
    st.builds(Words, st.lists(st.sampled_from(["sua", "me", "duong", "ha", "x", "t"]), max_size=2).map(tuple)),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


async def filled(store: Store, key: str = KEY) -> None:
    of = key.rpartition("/")[0]
    assert await store.concepts.claim(key, of)
    await store.concepts.add(key, [concept.code for concept in ROWS], ROWS)
    await store.concepts.finish(key, of, Built(True, len(ROWS)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tried=st.lists(conditions, min_size=8, max_size=8))
@example(tried=[Matches("q", "new"), Matches("q", "."), Exists("p"), Equals("p", ("x",))])
def test_rows_and_memory_answer_alike(tried: list[Condition], alike: "Alike") -> None:
    for condition in tried:
        settled = SYSTEM.settled(condition)
        expected = [concept.code for concept in SYSTEM.select(condition)]
        assert alike.ask(settled) == (expected, len(expected)), condition
        assert alike.page(settled, 1, 2) == (expected[1:3], len(expected)), condition


class Alike:
    """A filled store that can be asked outside of a coroutine."""

    def __init__(self, uri: str, database: str):
        self._loop = asyncio.new_event_loop()
        self._store = self._loop.run_until_complete(self._open(uri, database))

    async def _open(self, uri: str, database: str) -> Store:
        store = await connect(uri, database)
        await filled(store)
        return store

    def ask(self, condition: Condition) -> tuple[list[str], int]:
        return self._loop.run_until_complete(self._ask(condition))

    async def _ask(self, condition: Condition) -> tuple[list[str], int]:
        found = await self._store.concepts.select(KEY, condition)
        return [concept.code for concept in found], await self._store.concepts.count(KEY, condition)

    def page(self, condition: Condition, skip: int, limit: int) -> tuple[list[str], int]:
        total, found = self._loop.run_until_complete(self._store.concepts.page(KEY, condition, skip, limit))
        return [concept.code for concept in found], total

    def close(self) -> None:
        self._loop.run_until_complete(self._store.close())
        self._loop.close()


@pytest.fixture
def alike(mongodb_uri: str, database: str) -> Iterator[Alike]:
    opened = Alike(mongodb_uri, database)
    yield opened
    opened.close()


async def test_a_row_gives_back_its_concept(store: Store) -> None:
    await filled(store)
    found = await store.concepts.find(KEY, [*CODES, "zz"])
    assert sorted(found) == CODES
    for concept in ROWS:
        again = found[concept.code]
        assert (again.json, again.order, again.parents, again.ancestors) == (
            concept.json,
            concept.order,
            concept.parents,
            concept.ancestors,
        )


async def test_pages_and_children_come_in_order(store: Store) -> None:
    await filled(store)
    pages = [await store.concepts.select(KEY, ALL, skip=at, limit=2) for at in (0, 2, 4)]
    assert [[concept.code for concept in page] for page in pages] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert [concept.code for concept in await store.concepts.children(KEY, "b", 10)] == ["c", "e"]


async def test_one_claims_and_nobody_answers_before_it_is_done(store: Store) -> None:
    assert await store.concepts.built(KEY) is None
    claims = await asyncio.gather(*(store.concepts.claim(KEY, OF) for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]
    built = await store.concepts.built(KEY)
    assert built is not None
    assert not built.done
    await store.concepts.finish(KEY, OF, Built(True, 6, timed=False))
    assert await store.concepts.built(KEY) == Built(True, 6, timed=False)
    assert not await store.concepts.claim(KEY, OF)


async def test_what_was_begun_may_be_done_again(store: Store) -> None:
    await store.concepts.claim(KEY, OF)
    await store.concepts.add(KEY, ["a", "b"], ROWS[:2])
    await store.concepts.add(KEY, [concept.code for concept in ROWS], ROWS)  # another process, after a crash
    assert await store.concepts.count(KEY, ALL) == len(ROWS)


async def test_rows_go_a_while_after_a_newer_version_is_complete(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(store, "CodeSystem/x/1")
    await filled(store, "CodeSystem/other/1")  # the same url perhaps, in another version that is in use
    await filled(store, "CodeSystem/x/2")
    assert await store.concepts.count("CodeSystem/x/1", ALL) == len(ROWS)
    monkeypatch.setattr("fhir_server.store.concepts.LINGER", -1)
    await filled(store, "CodeSystem/x/3")
    counts = [await store.concepts.count(f"CodeSystem/{name}", ALL) for name in ("x/1", "x/2", "x/3", "other/1")]
    assert counts == [0, 0, len(ROWS), len(ROWS)]
    assert await store.concepts.built("CodeSystem/x/1") is None
