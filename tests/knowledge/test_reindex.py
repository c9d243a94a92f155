"""https://hl7.org/fhir/R4/searchparameter.html: the index is made anew while hospitals write, and whatever dies."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_server.store import Clock
from fhir_server.store.indexing import Entry, Indexing
from tests.cli.commands import served
from tests.http.serving import dose, serving
from tests.http.test_search_parameters import boxed, built, found, parameter, somebody_behind, stored

Json = dict[str, Any]
Documents = Collection[Json]


@pytest.fixture
def name(mongodb_uri: str) -> Iterator[str]:
    """A database of the test's own."""
    name = f"reindex_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient[Json](mongodb_uri) as admin:
        admin.drop_database(name)


@pytest.fixture
async def client(mongodb_uri: str, name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(mongodb_uri, name) as client:
        yield client


@pytest.fixture
def database(mongodb_uri: str, name: str) -> Iterator[Any]:
    with MongoClient[Json](mongodb_uri) as admin:
        yield admin[name]


async def test_what_is_written_meanwhile_is_not_overwritten(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every resource is changed between the moment it is read for the index and the moment that is written."""
    ids = [await stored(client, boxed("old")) for _ in range(8)]
    rewrite = Indexing.rewrite
    pages = []

    async def overtaken(self: Indexing, type: str, changes: list[Entry]) -> None:
        if not pages:
            await client.delete(f"/fhir/Patient/{ids[0]}")
            for id in ids[1:]:
                assert (await client.put(f"/fhir/Patient/{id}", json={**boxed("new"), "id": id})).status_code == 200
        pages.append([each.id for each in changes])
        await rewrite(self, type, changes)

    monkeypatch.setattr(Indexing, "rewrite", overtaken)
    await stored(client, parameter("box"))
    assert await built(client, "Patient?box=new") == set(ids[1:])
    assert await built(client, "Patient?box=old") == set()
    assert sorted(pages[0]) == sorted(ids)  # the job did want to change them


async def test_nothing_is_lost_while_hospitals_keep_writing(client: httpx.AsyncClient) -> None:
    now = {await stored(client, boxed("0")): 0 for _ in range(40)}
    more: set[str] = set()
    closed = False

    async def write(own: list[str]) -> None:
        while not closed:
            for id in own:
                now[id] += 1
                resource = {**boxed(str(now[id])), "id": id}
                assert (await client.put(f"/fhir/Patient/{id}", json=resource)).status_code == 200
            more.add(await stored(client, boxed("born")))

    ids = list(now)
    hospitals = [asyncio.create_task(write(ids[number::4])) for number in range(4)]
    await stored(client, parameter("box"))
    await built(client, "Patient?box=0")
    closed = True
    await asyncio.gather(*hospitals)
    assert await built(client, "Patient?box=born&_count=1000") == more
    for id, value in now.items():
        assert await found(client, f"Patient?_id={id}&box={value}") == {id}
        assert await found(client, f"Patient?_id={id}&box:not={value}") == set()


async def test_a_resource_that_cannot_be_indexed_is_named_and_nothing_is_answered_wrongly(
    client: httpx.AsyncClient, database: Any
) -> None:
    good, bad = await stored(client, boxed("7")), await stored(client, boxed("7"))
    raw = database["Patient"].find_one({"_id": bad})["raw"]
    database["Patient"].update_one({"_id": bad}, {"$set": {"raw": b"{"}})
    await stored(client, parameter("box"))
    deadline = time.monotonic() + 40
    while True:
        [row] = (await client.get("/fhir/$reindex?type=Patient")).json()["parameter"]
        if row["part"][1] == {"name": "state", "valueCode": "failed"}:
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert {"name": "failed", "valueString": f"Patient/{bad}"} in row["part"]
    answer = await client.get("/fhir/Patient?box=7")
    assert answer.status_code == 400
    while "could not be indexed" not in (await client.get("/fhir/Patient?box=7")).text:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    database["Patient"].update_one({"_id": bad}, {"$set": {"raw": raw}})
    await client.post("/fhir/$reindex-start?type=Patient", json={"resourceType": "Parameters"})
    assert await built(client, "Patient?box=7") == {good, bad}


async def test_starting_with_another_zone_builds_the_dates_anew_and_refuses_nothing_else(
    mongodb_uri: str, name: str
) -> None:
    """A date without a zone begins at 17:00 UTC of the day before in Hanoi."""
    late = "Immunization?date=sa2025-08-11T20:00:00Z"
    async with serving(mongodb_uri, name) as client:
        shot = await stored(client, dose("Patient/a", occurrenceDateTime="2025-08-12"))
        assert await found(client, late) == set()
    with somebody_behind(mongodb_uri, name):
        async with serving(mongodb_uri, name, time_zone="UTC") as client:
            assert await found(client, late) is None
            assert await found(client, "Immunization?_sort=date") is None
            assert await found(client, "Immunization?status=completed&patient=a") == {shot}
            assert await found(client, "Patient/a/Immunization?status=completed") == {shot}
    async with serving(mongodb_uri, name, time_zone="UTC") as client:
        assert await built(client, late) == {shot}
    async with serving(mongodb_uri, name, time_zone="UTC") as client:
        assert await found(client, late) == {shot}  # nothing is different: nothing is built again


async def test_compartments_wait_for_their_references(mongodb_uri: str, name: str) -> None:
    async with serving(mongodb_uri, name) as client:
        shot = await stored(client, dose("Patient/a"))
    own = {"base_url": "http://imm.example.vn/fhir"}
    with somebody_behind(mongodb_uri, name):
        async with serving(mongodb_uri, name, **own) as client:
            client.headers["host"] = "imm.example.vn"
            answer = await client.get("/fhir/Patient/a/Immunization")
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) > 0
    async with serving(mongodb_uri, name, **own) as client:
        client.headers["host"] = "imm.example.vn"
        assert await built(client, "Immunization?patient=a") == {shot}
        assert await found(client, "Patient/a/Immunization") == {shot}


PEOPLE = 5000


def born(number: int, clock: Clock) -> Json:
    """A Patient as a version of the server stored it that wrote no index entries."""
    resource = {**boxed(str(number)), "id": f"p{number:05d}"}
    sequence = clock.next(datetime(2026, 1, 1, tzinfo=UTC))
    return {"_id": resource["id"], "v": 1, "s": sequence, "m": "PUT", "raw": orjson.dumps(resource), "h": b"", "ix": []}


async def state(database: Any, done: int = 0) -> Json:
    """Return what the database remembers of Patient's index as soon as its job has done that many."""
    deadline = time.monotonic() + 60
    while True:
        document = await asyncio.to_thread(database["indexing"].find_one, {"_id": "Patient"})
        if document and "job" in document and document["job"]["done"] >= done:
            return dict(document)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_killed_in_the_middle_another_process_goes_on_from_there(
    mongodb_uri: str, name: str, database: Any
) -> None:
    clock = Clock(1)
    database["Patient"].insert_many([born(number, clock) for number in range(PEOPLE)])
    options = ("--mongodb-uri", mongodb_uri)
    environment = {"FHIR_DATABASE": name, "FHIR_STORE_PACKAGES": "false"}
    async with served(*options, **environment) as server:
        await state(database, done=400)
        os.kill(server.process.pid, signal.SIGKILL)
        await server.process.wait()
        before = await state(database)
    assert 400 <= before["job"]["done"] < PEOPLE
    assert before["built"] == []
    async with served(*options, **environment) as server, httpx.AsyncClient(timeout=30) as client:
        client.base_url = httpx.URL(await server.url())
        assert await found(client, "Patient?identifier=4999") is None
        seen = [before["job"]]
        while "last" not in (now := await asyncio.to_thread(database["indexing"].find_one, {"_id": "Patient"})):
            if "job" in now:
                seen.append(now["job"])
            await asyncio.sleep(0.02)
        assert {each["started"] for each in seen} == {before["job"]["started"]}
        assert min(each["after"] for each in seen) == before["job"]["after"]
        assert now["last"]["done"] == PEOPLE
        for number in (0, 399, 400, 2500, 4999):
            assert await built(client, f"Patient?identifier={number}") == {f"p{number:05d}"}
        assert database["Patient"].count_documents({"ix": []}) == 0
