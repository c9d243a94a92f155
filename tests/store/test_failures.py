"""When MongoDB is not there, not fit, or dies: clear refusals, and no acknowledged write is ever lost.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import AsyncMongoClient

from fhir_server.outcome import Unavailable
from fhir_server.store import Limits, NotReplicaSet, Put, Store, Stored, VersionConflict, connect
from fhir_server.store.embedded import EmbeddedMongo
from fhir_server.store.failures import answering
from fhir_server.store.mongod import find_mongod
from tests.store.versions import create, update, version


@contextlib.contextmanager
def _bare_mongod(folder: Path, *options: str) -> Iterator[str]:
    """Run a mongod that nobody has made a replica set; yield its address."""
    path = folder / "bare.sock"
    command = [find_mongod(), "--dbpath", folder, "--bind_ip", path, "--unixSocketPrefix", folder, *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                while probe.connect_ex(str(path)):
                    assert process.poll() is None
            yield f"mongodb://{quote(str(path), safe='')}/"
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "reason"),
    [([], "standalone"), (["--replSet", "rs0"], "not initiated")],
    ids=["a standalone server", "a replica set not initiated"],
)
async def test_refuses_a_mongodb_that_is_no_replica_set_and_says_how_to_make_it_one(
    tmp_path: Path, options: list[str], reason: str
) -> None:
    with _bare_mongod(tmp_path, *options) as uri, pytest.raises(NotReplicaSet) as caught:
        await connect(uri, limits=Limits(selection=1500))
    for part in (reason, "mongod --replSet rs0", "rs.initiate()"):
        assert part in str(caught.value)


async def test_a_transaction_that_meets_a_mongod_just_starting_is_unavailable(tmp_path: Path) -> None:
    with _bare_mongod(tmp_path, "--replSet", "rs0") as uri:  # which has no sessions before it knows its replica set
        client = AsyncMongoClient[dict[str, Any]](uri, directConnection=True)
        async with client, client.start_session() as session:
            await session.start_transaction()
            with pytest.raises(Unavailable), answering():
                await client.fhir.Patient.insert_one({"_id": "1"}, session=session)


async def test_nobody_at_the_address_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await connect(f"mongodb://{quote(str(tmp_path / 'nobody.sock'), safe='')}/", limits=Limits(selection=200))


CALLS: dict[str, Callable[[Store], Coroutine[Any, Any, Any]]] = {
    "read": lambda store: store.read("Patient", "a"),
    "read_many": lambda store: store.read_many([("Patient", "a")]),
    "vread": lambda store: store.vread("Patient", "a", 1),
    "history": lambda store: store.history("Patient", "a", limit=1),
    "create": lambda store: store.write(create("b")),
    "create of a new type": lambda store: store.write(create("b", type="Goal")),
    "update": lambda store: store.write(update(version("a"))),
    "commit": lambda store: store.commit([create("b"), create("c")]),
    "find": lambda store: store.find("Patient", {}, limit=1),
    "count": lambda store: store.count("Patient", {}),
    "ids": lambda store: store.ids("Patient", {}, limit=1),
    "secret": lambda store: store.secret("a"),
    "ping": lambda store: store.ping(),
}


async def test_every_call_is_unavailable_while_mongod_is_down_and_works_when_it_is_back(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path, cache_gb=0.25, oplog_mb=64) as mongod:
        store = await connect(mongod.uri, limits=Limits(selection=600, transaction=600))
        await store.write(create("a"))
    outcomes = await asyncio.gather(*(call(store) for call in CALLS.values()), return_exceptions=True)
    kinds = {name: type(answer) for name, answer in zip(CALLS, outcomes, strict=True)}
    assert kinds == dict.fromkeys(CALLS, Unavailable)
    for answer in outcomes:
        assert isinstance(answer, Unavailable)
        assert answer.retry_after
        assert answer.issues[0].en != answer.issues[0].vi
    with EmbeddedMongo(tmp_path, cache_gb=0.25, oplog_mb=64):
        await store.ping()
        assert await store.read("Patient", "a") is not None
        await store.write(create("d"))
        await store.close()


async def test_a_mongod_that_hangs_does_not_hang_the_server(tmp_path: Path) -> None:
    limits = Limits(query=1000, acknowledgement=1000, selection=1000)
    with EmbeddedMongo(tmp_path, cache_gb=0.25, oplog_mb=64) as mongod:
        async with await connect(mongod.uri, limits=limits) as store:
            await store.write(create("a"))
            pid = mongod.pid
            assert pid
            os.kill(pid, signal.SIGSTOP)
            try:
                calls = (store.read("Patient", "a"), store.write(create("b")), store.find("Patient", {}, limit=1))
                answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 40)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert [type(answer) for answer in answers] == [Unavailable] * 3


class _Load:
    """Writers that remember what was acknowledged, and what they may not know."""

    def __init__(self, store: Store):
        self.store = store
        self.acknowledged: dict[tuple[str, str], Put] = {}
        self.unknown: dict[tuple[str, str], Put] = {}
        self.unavailable = 0
        self.stop = asyncio.Event()

    async def grow(self, by: int) -> None:
        """Return when `by` more resources were acknowledged; raise TimeoutError when that takes too long."""
        goal = len(self.acknowledged) + by
        async with asyncio.timeout(60):
            while len(self.acknowledged) < goal:  # noqa: ASYNC110 (looked at from outside)
                await asyncio.sleep(0.005)

    async def climb(self, name: str, random: random.Random) -> None:
        """Create resources and update them, alone or in transactions of two types."""
        number = 0
        while not self.stop.is_set():
            number += 1
            ids = [f"{name}-{number}", f"{name}-{number}b"]
            puts = [create(ids[0], raw=name.encode() * 50), create(ids[1], type="Immunization")]
            if random.random() < 0.5:
                puts.pop()
            for _ in range(random.randint(1, 4)):
                if not await self._try(puts):
                    break
                puts = [update(put.new, raw=f"{put.new.version}".encode()) for put in puts]

    async def _try(self, puts: list[Put]) -> bool:
        keys = [(put.new.type, put.new.id) for put in puts]
        self.unknown.update(zip(keys, puts, strict=True))
        try:
            await self.store.commit(puts)
        except Unavailable:
            self.unavailable += 1
            return False
        for key in keys:
            self.acknowledged[key] = self.unknown.pop(key)
        return True


@pytest.mark.parametrize("kills", [3])
async def test_killing_mongod_under_load_loses_no_acknowledged_write(tmp_path: Path, kills: int) -> None:
    seed = random.Random(20260301)
    with EmbeddedMongo(tmp_path, cache_gb=0.25, oplog_mb=64) as mongod:
        async with await connect(mongod.uri, limits=Limits(selection=500, transaction=1000)) as store:
            load = _Load(store)
            writers = [asyncio.ensure_future(load.climb(f"w{number}", seed)) for number in range(24)]
            for _ in range(kills):
                await load.grow(by=100)
                pid = mongod.pid
                assert pid
                os.kill(pid, signal.SIGKILL)
            await load.grow(by=100)
            load.stop.set()
            await asyncio.gather(*writers)
            await _check(load)


async def _check(load: _Load) -> None:
    stored = await load.store.read_many([*load.acknowledged, *load.unknown])
    for key, put in load.acknowledged.items():
        # The write after it may have been stored without anybody hearing of it; then this one is history.
        maybe = load.unknown.get(key)
        expected = [put.new] if maybe is None else [put.new, maybe.new]
        assert stored.get(key) in expected, key
        versions = await load.store.history(*key, limit=99)
        assert [old.version for old in versions] == list(range(stored[key].version, 0, -1)), key
        assert put.new in versions
    for key, put in load.unknown.items():
        if stored.get(key) == put.new:
            await load.store.write(put)  # whoever repeats it word for word is told that it is there
            again = Stored(*key, put.new.version, put.new.sequence + 1, b"again", None, "PUT")
            with pytest.raises(VersionConflict):
                await load.store.write(Put(again, put.superseded))
    assert await load.store.read_many(stored) == stored
