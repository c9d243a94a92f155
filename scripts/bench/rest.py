"""Reads, searches, creates and transactions over HTTP, beside the same work done by the driver alone: the ceiling."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import uvloop
from bson.binary import Binary
from pymongo import AsyncMongoClient, InsertOne

from examples.generate import bundles as example_bundles
from fhir_server.definitions import Definitions, core_facts
from scripts.bench.serving import PEOPLE, SECONDS, SEED, TODAY, Served, mongod, serving, tell

CLIENTS = (1, 16, 64)
Json = dict[str, Any]
Work = Callable[[], Awaitable[object]]


def run() -> None:
    """Print a table of work × clients, then what was noticed on the way."""
    people = PEOPLE or 1000
    with mongod() as uri:
        with serving(uri) as served:
            bundles = list(example_bundles(people, SEED, TODAY))
            loaded = _load(served, bundles)
            uvloop.run(_compare_all(served, bundles))
            tell()
            tell(f"- Loading {people:,} people as transactions, 8 at a time: {loaded:,.0f} resources/s.")
            tell(f"- Resident memory of one server process afterwards: {served.resident():.0f} MiB.")
        with serving(uri) as again:
            tell(f"- Start to ready (packages stored): {again.start:.2f} s; processor time {again.work:.2f} s.")
            tell(f"- Resident memory of a process that has just started: {again.resident():.0f} MiB.")
        tell(f"- {uvloop.run(_stored_size(uri))}")
        tell(f"- {_definitions()}")


def _load(served: Served, bundles: list[Json]) -> float:
    """Post the example Bundles; return resources per second."""
    requests = [served.request("POST", "/fhir", bundle) for bundle in bundles]
    started = time.perf_counter()
    served.drive(requests[:1], 1, once=True)
    served.drive(requests[1:], 8, once=True)
    return sum(len(bundle["entry"]) for bundle in bundles) / (time.perf_counter() - started)


class Driver:
    """The same work done by PyMongo alone, against the collections that the server fills."""

    def __init__(self, client: AsyncMongoClient[Json], sample: Json, doses: list[Json], patients: list[Json]):
        self._client = client
        self._immunizations, self._people = client["fhir"]["Immunization"], client["fhir"]["Patient"]
        self._scratch = client["scratch"]["Immunization"]
        self._sample = sample
        self._choice = random.Random(7)
        self._doses, self._patients = [row["id"] for row in doses], [row["id"] for row in patients]

    def _fresh(self) -> Json:
        return {**self._sample, "_id": f"{self._choice.getrandbits(96):x}", "raw": Binary(self._sample["raw"])}

    async def read(self) -> object:
        return await self._immunizations.find_one({"_id": self._choice.choice(self._doses)}, {"raw": 1, "v": 1, "s": 1})

    async def insert(self) -> object:
        return await self._scratch.insert_one(self._fresh())

    async def by_number(self) -> object:
        patient = await self._people.find_one({"_id": self._choice.choice(self._patients)}, {"raw": 1})
        own = {"ix": f"patient|{patient['_id']}|Patient"} if patient else {}
        return await self._immunizations.find(own, {"raw": 1}).limit(50).to_list()

    async def page(self) -> object:
        return await self._immunizations.find({}, {"raw": 1, "v": 1, "s": 1}).sort("s", -1).limit(51).to_list()

    async def ten(self) -> object:
        async with self._client.start_session() as session, await session.start_transaction():
            return await self._scratch.bulk_write([InsertOne(self._fresh()) for _ in range(10)], session=session)


async def _compare_all(served: Served, bundles: list[Json]) -> None:
    resources = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]
    patients = [row for row in resources if row["resourceType"] == "Patient"]
    doses = [row for row in resources if row["resourceType"] == "Immunization" and row["status"] == "completed"]
    tell("| work | clients | per second | p50 ms | p99 ms | driver alone | times its cost |")
    tell("|---|---|---|---|---|---|---|")
    async with AsyncMongoClient[Json](served.uri, w="majority", journal=True) as client:
        [sample] = await client["fhir"]["Immunization"].find({"ix": {"$ne": []}}).limit(1).to_list()
        await client["scratch"]["Immunization"].create_index([("ix", 1), ("s", -1)])
        alone = Driver(client, sample, doses, patients)
        for name, requests, work in _works(served, alone, doses, patients):
            await _compare(served, name, requests, work)
        await client.drop_database("scratch")


def _works(
    served: Served, alone: Driver, doses: list[Json], patients: list[Json]
) -> Iterable[tuple[str, list[str], Work]]:
    """Yield each kind of work: its name, the requests, the same by the driver."""

    def get(paths: Iterable[str]) -> list[str]:
        return [served.request("GET", f"/fhir/{path}") for path in paths]

    numbers = [f"{row['system']}|{row['value']}" for each in patients for row in each["identifier"] if "value" in row]
    yield "read by id", get(f"Immunization/{row['id']}" for row in doses), alone.read
    creates = [served.request("POST", "/fhir/Immunization", without_id(row)) for row in doses[:500]]
    yield "create Immunization", creates, alone.insert
    with_doses = (f"Patient?identifier={number}&_revinclude=Immunization:patient" for number in numbers)
    yield "patient by identifier, with doses", get(with_doses), alone.by_number
    by_patient = (f"Immunization?patient.identifier={number}&_include=Immunization:patient" for number in numbers)
    yield "dose by patient's identifier, with patient", get(by_patient), alone.by_number
    yield "page of 50", get(["Immunization?_count=50"]), alone.page
    yield "transaction of 10 creates", transactions(served, doses[:1000], 10), alone.ten


async def _compare(served: Served, name: str, requests: list[str], alone: Work) -> None:
    """Measure one kind of request at each number of clients, then the driver alone."""
    for clients in CLIENTS:
        seen = served.drive(requests, clients)
        ceiling = await _together(alone, clients, SECONDS / 2)
        tell(
            f"| {name} | {clients} | {seen.rate:,.0f} | {seen.p50:.1f} | {seen.p99:.1f} "
            f"| {ceiling:,.0f} | {ceiling / seen.rate:.1f} |"
        )


async def _together(work: Work, clients: int, seconds: float) -> float:
    """Return how often `work` is done in a second by so many tasks at once."""
    deadline = time.perf_counter() + seconds
    count = 0

    async def one() -> None:
        nonlocal count
        while time.perf_counter() < deadline:
            await work()
            count += 1

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return count / (time.perf_counter() - started)


def without_id(resource: Json) -> Json:
    """Return a copy to create from."""
    return {name: value for name, value in resource.items() if name != "id"}


def transactions(served: Served, resources: list[Json], size: int) -> list[str]:
    """Return requests that create `resources`, `size` in each transaction."""
    groups = [resources[start : start + size] for start in range(0, len(resources), size)]
    return [
        served.request(
            "POST",
            "/fhir",
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    {"resource": without_id(row), "request": {"method": "POST", "url": row["resourceType"]}}
                    for row in group
                ],
            },
        )
        for group in groups
    ]


async def _stored_size(uri: str) -> str:
    """Say what an Immunization costs on disk."""
    async with AsyncMongoClient[Json](uri) as client:
        database = client["fhir"]
        [mean] = await (
            await database["Immunization"].aggregate(
                [{"$group": {"_id": None, "raw": {"$avg": {"$binarySize": "$raw"}}, "ix": {"$avg": {"$size": "$ix"}}}}]
            )
        ).to_list()
        stats = await database.command("collStats", "Immunization")
    count = stats["count"]
    return (
        f"An Immunization (mean of {count:,}): {mean['raw']:.0f} bytes of JSON, {mean['ix']:.1f} index entries; "
        f"on disk {stats['storageSize'] / count:.0f} bytes of data, {stats['totalIndexSize'] / count:.0f} of index."
    )


def _definitions() -> str:
    """Say how long the definitions take to load."""
    facts = core_facts.__wrapped__
    started = time.perf_counter()
    definitions = Definitions(facts())
    loaded = time.perf_counter()
    for name in definitions.resource_types:
        definitions.type(name)
    built = time.perf_counter()
    return (
        f"R4 definitions: {(loaded - started) * 1000:.0f} ms to load, {(built - loaded) * 1000:.0f} ms more to build "
        "every resource type."
    )
