"""mongod killed while hospitals write: each is told the truth, and what was acknowledged is there afterwards.

https://hl7.org/fhir/R4/http.html#transaction · https://www.rfc-editor.org/rfc/rfc9110#name-503-service-unavailable
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from fhir_server.store.embedded import EmbeddedMongo
from tests.http.serving import PATIENT, bundle, dose, entry, serving

CLIENTS = 16


def small(folder: Path) -> EmbeddedMongo:
    return EmbeddedMongo(folder, cache_gb=0.25, oplog_mb=64)


@pytest.fixture
def mongod(tmp_path: Path) -> EmbeddedMongo:
    return small(tmp_path / "mongod")


@pytest.fixture
def successor(mongod: EmbeddedMongo) -> Iterator[EmbeddedMongo]:
    """A mongod on the same folder, to be started when the first is gone; it ends after the server."""
    mongod = small(mongod.folder)
    yield mongod
    mongod.stop()


@pytest.fixture
async def client(mongod: EmbeddedMongo, successor: EmbeddedMongo) -> AsyncIterator[httpx.AsyncClient]:
    await asyncio.to_thread(mongod.start)
    try:
        async with serving(mongod.uri, "crash") as client:
            yield client
    finally:
        await asyncio.to_thread(mongod.stop)


class Hospitals:
    """Clients that create one record after the other and remember what was acknowledged."""

    def __init__(self, client: httpx.AsyncClient):
        self.client = client
        self.acknowledged: dict[str, bytes] = {}
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.closed = False

    async def write(self, number: int) -> None:
        """Create doses, each third time a child with a dose in a transaction; wait a moment when told to."""
        turn = 0
        while not self.closed:
            turn += 1
            if turn % 3:
                answer = await self.client.post("/fhir/Immunization", json=dose(f"Patient/{number}-{turn}"))
            else:
                child = entry("POST", "Patient", PATIENT, fullUrl="urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1a01")
                shot = entry("POST", "Immunization", dose("urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1a01"))
                answer = await self.client.post("/fhir", json=bundle("transaction", child, shot))
            self.statuses[answer.status_code] += 1
            if answer.status_code == 201:
                self.acknowledged[answer.headers["location"]] = answer.content
            elif answer.status_code == 200:
                for row in answer.json()["entry"]:
                    self.acknowledged[f"/fhir/{row['response']['location']}"] = b""
            elif answer.status_code == 503 and self.is_polite(answer):
                await asyncio.sleep(0.05)
            else:
                self.wrong.append(answer.text)
                return

    def is_polite(self, answer: httpx.Response) -> bool:
        outcome = answer.json()
        return int(answer.headers["retry-after"]) > 0 and outcome["issue"][0]["code"] == "transient"

    async def grow(self, by: int) -> None:
        """Return when `by` more answers said that a record is stored."""
        goal = len(self.acknowledged) + by
        await eventually(lambda: asyncio.sleep(0, bool(self.wrong) or len(self.acknowledged) >= goal))


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_killing_mongod_under_load_loses_nothing_that_was_acknowledged(
    client: httpx.AsyncClient, mongod: EmbeddedMongo
) -> None:
    hospitals = Hospitals(client)
    writers = [asyncio.create_task(hospitals.write(number)) for number in range(CLIENTS)]
    for _ in range(2):
        await hospitals.grow(by=60)
        assert mongod.pid
        os.kill(mongod.pid, signal.SIGKILL)
    await hospitals.grow(by=60)
    hospitals.closed = True
    await asyncio.gather(*writers)
    assert hospitals.wrong == []
    assert set(hospitals.statuses) <= {200, 201, 503}
    for location, content in hospitals.acknowledged.items():
        read = await client.get(location)
        assert read.status_code == 200, location
        assert content in (b"", read.content)
    # What is stored is found as well: no record without its index entries, no half of a transaction.
    for type in ("Immunization", "Patient"):
        stored = {location.split("/")[-3] for location in hospitals.acknowledged if f"/{type}/" in location}
        total = (await client.get(f"/fhir/{type}?_summary=count")).json()["total"]
        assert len(stored) <= total <= len(stored) + hospitals.statuses[503]


async def ready(client: httpx.AsyncClient, status: int) -> bool:
    return (await client.get("/health/ready")).status_code == status


async def test_without_its_database_the_server_says_so_and_comes_back_by_itself(
    client: httpx.AsyncClient, mongod: EmbeddedMongo, successor: EmbeddedMongo
) -> None:
    created = await client.post("/fhir/Patient", json=PATIENT)
    assert await ready(client, 200)
    await asyncio.to_thread(mongod.stop)
    health = await client.get("/health/ready")
    assert (health.status_code, health.json()) == (503, {"status": "not ready"})
    assert int(health.headers["retry-after"]) > 0
    assert (await client.get("/health/live")).status_code == 200
    answers = await asyncio.gather(
        client.get(created.headers["location"]),
        client.get("/fhir/Patient?name=x"),
        client.post("/fhir/Patient", json=PATIENT),
        client.post("/fhir", json=bundle("transaction", entry("POST", "Patient", PATIENT))),
        client.post("/fhir", json=bundle("batch", entry("POST", "Patient", PATIENT))),
        client.get("/certificates/URN:UVCI:01:VN:0/qr.png"),
    )
    assert [answer.status_code for answer in answers] == [503, 503, 503, 503, 200, 503]
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["resourceType"] == "OperationOutcome"
    assert answers[4].json()["entry"][0]["response"]["status"].startswith("503")
    assert (await client.get("/fhir/metadata")).status_code == 200  # needs no database
    await asyncio.to_thread(successor.start)
    await eventually(lambda: ready(client, 200))
    assert (await client.get(created.headers["location"])).content == created.content
