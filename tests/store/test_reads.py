"""Reading by id: exact bytes, deleted resources, versions, history; and reads that travel together.

https://hl7.org/fhir/R4/http.html#read, #vread and #history
"""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_server.store import Store, connect
from tests.store.versions import create, update

BYTES = [
    b'{"resourceType":"Observation","valueQuantity":{"value":1.10}}',
    '{"name":[{"text":"Nguyễn Thị Đào"}]}'.encode(),
    b'{ "z" : 1 ,\n"a":2 }',
    b'{"big":' + b"9" * 400_000 + b"}",
    bytes(range(256)),
]


@pytest.mark.parametrize("raw", BYTES, ids=["decimals", "Vietnamese", "white space and order", "large", "any bytes"])
async def test_what_was_stored_is_read_byte_for_byte(store: Store, raw: bytes) -> None:
    put = create("a", raw=raw)
    await store.write(put)
    assert await store.read("Patient", "a") == put.new


@given(raw=st.binary(max_size=200))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_bytes_come_back(store: Store, raw: bytes) -> None:
    old = await store.read("Patient", "a")
    await store.write(create("a", raw=raw) if old is None else update(old, raw=raw))
    now = await store.read("Patient", "a")
    assert now is not None
    assert now.raw == raw


async def test_what_was_never_written_is_none(store: Store) -> None:
    assert await store.read("Patient", "a") is None
    assert await store.vread("Patient", "a", 1) is None
    assert await store.history("Patient", "a", limit=10) == []
    assert await store.read_many([("Patient", "a"), ("Immunization", "b")]) == {}


async def test_a_deleted_resource_is_a_version_without_bytes(store: Store) -> None:
    first = create("a", "x", claims=("n|1",))
    await store.write(first)
    gone = update(first.new, raw=None)
    await store.write(gone)
    read = await store.read("Patient", "a")
    assert read == gone.new
    assert read.raw is None
    assert read.method == "DELETE"
    back = update(read, "x", claims=("n|1",))
    await store.write(back)
    assert await store.read("Patient", "a") == back.new
    assert await store.history("Patient", "a", limit=10) == [back.new, gone.new, first.new]


async def test_reads_many_types_at_once_and_leaves_out_the_missing(store: Store) -> None:
    puts = [create("a"), create("b"), create("a", type="Immunization")]
    await asyncio.gather(*map(store.write, puts))
    keys = [("Patient", "a"), ("Patient", "b"), ("Patient", "c"), ("Immunization", "a"), ("Location", "a")]
    assert await store.read_many([*keys, *keys]) == {(put.new.type, put.new.id): put.new for put in puts}


async def _five_versions(store: Store) -> list[object]:
    put = create("a", raw=b"1")
    versions = [put.new]
    await store.write(put)
    for number in range(2, 6):
        put = update(put.new, raw=str(number).encode())
        versions.insert(0, put.new)
        await store.write(put)
    await store.write(create("a.", raw=b"of another id that begins the same"))
    return list(versions)


async def test_every_version_can_be_read(store: Store) -> None:
    versions = await _five_versions(store)
    assert [await store.vread("Patient", "a", number) for number in (5, 4, 3, 2, 1)] == versions
    assert [await store.vread("Patient", "a", number) for number in (0, 6)] == [None, None]


@pytest.mark.parametrize(
    ("before", "limit", "expected"),
    [(None, 10, [0, 1, 2, 3, 4]), (None, 2, [0, 1]), (4, 2, [2, 3]), (2, 2, [4]), (1, 2, []), (9, 1, [0]), (5, 0, [])],
    ids=["all", "first page", "next page", "last page", "after the last", "before the newest", "nothing wanted"],
)
async def test_history_is_paged_newest_first(store: Store, before: int | None, limit: int, expected: list[int]) -> None:
    versions = await _five_versions(store)
    assert await store.history("Patient", "a", before=before, limit=limit) == [versions[place] for place in expected]


async def test_a_copy_that_a_crash_left_in_the_history_is_ignored(
    store: Store, mongodb_uri: str, database: str
) -> None:
    first = create("a", raw=b"1")
    await store.write(first)
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client[database]["Patient_History"].insert_one(
            {"_id": "a/0000000001", "v": 1, "s": first.new.sequence, "m": "PUT", "raw": b"1", "h": b"1"}
        )
    assert await store.history("Patient", "a", limit=10) == [first.new]
    assert await store.history("Patient", "a", before=9, limit=10) == [first.new]
    second = update(first.new, raw=b"2")
    await store.write(second)
    assert await store.history("Patient", "a", limit=10) == [second.new, first.new]


async def test_reads_that_wait_together_become_few_queries(store: Store, mongodb_uri: str) -> None:
    puts = [create(f"p{number}") for number in range(100)]
    await asyncio.gather(*map(store.write, puts))
    with MongoClient[dict[str, dict[str, int]]](mongodb_uri) as client:
        before = client.admin.command("serverStatus")["opcounters"]["query"]
        read = await asyncio.gather(*(store.read("Patient", put.new.id) for put in puts for _ in range(3)))
        after = client.admin.command("serverStatus")["opcounters"]["query"]
    assert read == [put.new for put in puts for _ in range(3)]
    assert after - before <= 3


async def test_a_read_sees_every_write_acknowledged_before_it(store: Store) -> None:
    put = create("a")
    await store.write(put)

    async def reader() -> None:
        for _ in range(200):
            known = put.new.version
            read = await store.read("Patient", "a")
            assert read is not None
            assert read.version >= known

    async def writer() -> None:
        nonlocal put
        for _ in range(40):
            newer = update(put.new)
            await store.write(newer)
            put = newer

    await asyncio.gather(writer(), *(reader() for _ in range(8)))


async def test_a_secret_is_the_same_for_every_server_of_a_database(
    store: Store, mongodb_uri: str, database: str
) -> None:
    async with await connect(mongodb_uri, database) as other:
        secrets = await asyncio.gather(*(server.secret("key") for server in (store, other) * 4))
        assert len(set(secrets)) == 1
        assert len(secrets[0]) == 32
        assert await other.secret("another key") != secrets[0]


async def test_a_reader_that_goes_away_takes_nobody_along(store: Store) -> None:
    put = create("a")
    await store.write(put)
    leaving, staying = (asyncio.ensure_future(store.read("Patient", "a")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == put.new


@pytest.mark.parametrize("type", ["", "patient", "Patient_History", "$cmd", "Pa.tient", "Pa\0"], ids=repr)
async def test_only_the_name_of_a_type_reaches_the_database(store: Store, type: str) -> None:
    with pytest.raises(ValueError, match="not the name of a resource type"):
        await store.read(type, "a")
