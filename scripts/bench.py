"""The promises, measured: `make bench` prints the tables that docs/performance.md keeps.

    python scripts/bench.py [--seconds 4] [--people 2000] [--markdown FILE]

Server, mongod and load generator share this machine. Beside each figure stands the same work done by the driver alone
against the same mongod: the ceiling.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from bson.binary import Binary
from pymongo import AsyncMongoClient, InsertOne

from examples.generate import bundles as example_bundles
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.store.embedded import EmbeddedMongo
from signing import development, hc1, verify

CLIENTS = (1, 16, 64)
HERE = Path(__file__).parent
TODAY = datetime(2026, 11, 1, tzinfo=UTC).date()
Json = dict[str, Any]


class Bench:
    """One run: a mongod, a server on it, the ids of what is stored."""

    def __init__(self, seconds: float, people: int):
        self.seconds = seconds
        self.people = people
        self.rows: list[str] = []
        self.facts: list[str] = []
        self.port = 0

    def request(self, method: str, path: str, body: Json | None = None) -> str:
        """Return one HTTP request as text."""
        content = wire.dumps(body).decode() if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        if content:
            head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(content.encode())}\r\n"
        return f"{head}\r\n{content}"

    def drive(self, requests: list[str], clients: int, once: bool = False) -> Json:
        """Run the load generator in a process of its own; return its result."""
        job = {"host": "127.0.0.1", "port": self.port, "requests": requests, "clients": clients}
        ran = subprocess.run(
            [sys.executable, HERE / "bench_client.py"],
            input=json.dumps({**job, "seconds": self.seconds, "once": once}),
            capture_output=True,
            text=True,
            check=True,
        )
        result: Json = json.loads(ran.stdout)
        wrong = {status: count for status, count in result["statuses"].items() if not status.startswith("2")}
        if wrong:
            raise SystemExit(f"unexpected answers: {wrong}")
        return result

    async def compare(self, name: str, requests: list[str], alone: Callable[[], Awaitable[object]]) -> None:
        """Measure one kind of request at each number of clients, then the driver alone."""
        for clients in CLIENTS:
            served = self.drive(requests, clients)
            ceiling = await together(alone, clients, self.seconds / 2)
            self.tell(
                f"| {name} | {clients} | {served['rate']:,.0f} | {served['p50']:.1f} | {served['p99']:.1f} "
                f"| {ceiling:,.0f} | {ceiling / served['rate']:.1f} |"
            )

    def tell(self, row: str) -> None:
        """Print a row and keep it."""
        sys.stdout.write(row + "\n")
        sys.stdout.flush()
        self.rows.append(row)


async def together(work: Callable[[], Awaitable[object]], clients: int, seconds: float) -> float:
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ready(port: int, seconds: float = 30) -> None:
    """Wait until the server says that it is ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.01)
    raise SystemExit("the server does not become ready")


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def load(bench: Bench, bundles: list[Json]) -> float:
    """Post the example Bundles; return resources per second."""
    requests = [bench.request("POST", "/fhir", bundle) for bundle in bundles]
    seconds, bench.seconds = bench.seconds, 3600
    started = time.perf_counter()
    bench.drive(requests[:1], 1, once=True)
    bench.drive(requests[1:], 8, once=True)
    bench.seconds = seconds
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


async def http_part(bench: Bench, uri: str, bundles: list[Json]) -> None:
    """Measure the server beside the driver."""
    resources = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]
    patients = [row for row in resources if row["resourceType"] == "Patient"]
    doses = [row for row in resources if row["resourceType"] == "Immunization" and row["status"] == "completed"]
    numbers = [
        f"{row['system']}|{row['value']}" for patient in patients for row in patient["identifier"] if "value" in row
    ]
    bench.tell("| work | clients | per second | p50 ms | p99 ms | driver alone | times its cost |")
    bench.tell("|---|---|---|---|---|---|---|")
    async with AsyncMongoClient[Json](uri, w="majority", journal=True) as client:
        [sample] = await client["fhir"]["Immunization"].find({"ix": {"$ne": []}}).limit(1).to_list()
        await client["scratch"]["Immunization"].create_index([("ix", 1), ("s", -1)])
        alone = Driver(client, sample, doses, patients)

        def get(paths: Iterable[str]) -> list[str]:
            return [bench.request("GET", f"/fhir/{path}") for path in paths]

        doses_of = "_revinclude=Immunization:patient"
        patient_of = "_include=Immunization:patient"
        creates = [bench.request("POST", "/fhir/Immunization", without_id(row)) for row in doses[:500]]
        for name, requests, work in (
            ("read by id", get(f"Immunization/{row['id']}" for row in doses), alone.read),
            ("create Immunization", creates, alone.insert),
            (
                "patient by identifier, with doses",
                get(f"Patient?identifier={number}&{doses_of}" for number in numbers),
                alone.by_number,
            ),
            (
                "dose by patient's identifier, with patient",
                get(f"Immunization?patient.identifier={number}&{patient_of}" for number in numbers),
                alone.by_number,
            ),
            ("page of 50", get(["Immunization?_count=50"]), alone.page),
            ("transaction of 10 creates", transactions(bench, doses), alone.ten),
        ):
            await bench.compare(name, requests, work)
        await client.drop_database("scratch")
        await stored_size(bench, client)


def without_id(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "id"}


def transactions(bench: Bench, doses: list[Json]) -> list[str]:
    """Return transaction Bundles of ten creates each."""
    groups = [doses[start : start + 10] for start in range(0, min(len(doses), 1000), 10)]
    return [
        bench.request(
            "POST",
            "/fhir",
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    {"resource": without_id(row), "request": {"method": "POST", "url": "Immunization"}} for row in group
                ],
            },
        )
        for group in groups
    ]


async def stored_size(bench: Bench, client: AsyncMongoClient[Json]) -> None:
    """Say what an Immunization costs on disk."""
    database = client["fhir"]
    [mean] = await (
        await database["Immunization"].aggregate(
            [{"$group": {"_id": None, "raw": {"$avg": {"$binarySize": "$raw"}}, "ix": {"$avg": {"$size": "$ix"}}}}]
        )
    ).to_list()
    stats = await database.command("collStats", "Immunization")
    count = stats["count"]
    bench.facts += [
        f"An Immunization (mean of {count:,}): {mean['raw']:.0f} bytes of JSON, {mean['ix']:.1f} index entries; "
        f"on disk {stats['storageSize'] / count:.0f} bytes of data, {stats['totalIndexSize'] / count:.0f} of index."
    ]


def certificate_part(bench: Bench) -> None:
    """Measure signing and verifying on one core."""
    payload = {
        "ver": "1.3.0",
        "nam": {"fn": "Trần", "gn": "Thị Bích Hằng", "fnt": "TRAN", "gnt": "THI<BICH<HANG"},
        "dob": "1988-04-02",
        "v": [
            {
                "tg": "840539006",
                "vp": "1119349007",
                "mp": "EU/1/20/1528",
                "ma": "ORG-100030215",
                "dn": 3,
                "sd": 3,
                "dt": "2022-01-15",
                "co": "VN",
                "is": "Bộ Y tế",
                "ci": "URN:UVCI:01:VN:0123456789ABCDEF0123456789ABCDEF",
            }
        ],
    }
    now = datetime.now(UTC)
    bench.tell("")
    bench.tell("| certificate | issued a second and core | verified a second and core |")
    bench.tell("|---|---|---|")
    for name, algorithm in (("ES256 (P-256)", -7), ("PS256 (RSA-2048)", -37)):
        with tempfile.TemporaryDirectory() as folder:
            key = development.generate(Path(folder) / "keys", now, algorithm)
        trust = verify.TrustList([key.signer])
        text = hc1.issue(payload, key, now).text
        issued = rate(lambda key=key: hc1.issue(payload, key, now))  # type: ignore[misc]
        verified = rate(lambda trust=trust, text=text: verify.verify(text, trust, now))  # type: ignore[misc]
        bench.tell(f"| {name} | {issued:,.0f} | {verified:,.0f} |")


def rate(work: Callable[[], object], seconds: float = 2) -> float:
    """Return how often `work` is done in a second of processor time."""
    work()
    started, count = time.process_time(), 0
    while time.process_time() - started < seconds:
        for _ in range(50):
            work()
        count += 50
    return count / (time.process_time() - started)


def definitions_part(bench: Bench) -> None:
    """Measure the loading of the definitions."""
    facts = core_facts.__wrapped__
    started = time.perf_counter()
    definitions = Definitions(facts())
    loaded = time.perf_counter()
    for name in definitions.resource_types:
        definitions.type(name)
    built = time.perf_counter()
    bench.facts.append(
        f"R4 definitions: {(loaded - started) * 1000:.0f} ms to load, {(built - loaded) * 1000:.0f} ms more to build "
        "every resource type."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="how long each figure is measured")
    parser.add_argument("--people", type=int, default=2000, help="how many people are stored first")
    parser.add_argument("--workers", type=int, default=1, help="server processes")
    parser.add_argument("--markdown", type=Path, help="file to write the tables into as well")
    asked = parser.parse_args()
    bench = Bench(asked.seconds, asked.people)
    with tempfile.TemporaryDirectory() as folder, EmbeddedMongo(Path(folder) / "mongodb", cache_gb=1) as mongo:
        bench.port = free_port()
        started = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "fhir_server.cli", "serve", "--port", str(bench.port), "--mongodb-uri", mongo.uri],
            env={**os.environ, "FHIR_LOG_LEVEL": "error", "FHIR_WORKERS": str(asked.workers)},
            stderr=subprocess.DEVNULL,
        )
        try:
            ready(bench.port)
            bench.facts.append(f"Start to ready (mongod running): {time.perf_counter() - started:.2f} s.")
            bundles = list(example_bundles(asked.people, 2026, TODAY))
            loaded = uvloop.run(load(bench, bundles))
            bench.facts.append(
                f"Loading {asked.people:,} people as transactions, 8 at a time: {loaded:,.0f} resources/s."
            )
            uvloop.run(http_part(bench, mongo.uri, bundles))
            bench.facts.append(f"Resident memory of one server process afterwards: {resident(server.pid):.0f} MiB.")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    certificate_part(bench)
    definitions_part(bench)
    bench.tell("")
    for fact in bench.facts:
        bench.tell(f"- {fact}")
    if asked.markdown:
        asked.markdown.write_text("\n".join(bench.rows) + "\n")


if __name__ == "__main__":
    main()
