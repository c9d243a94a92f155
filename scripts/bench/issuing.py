"""Issuing in bulk: `certificate issue --all-due` over people who have two doses each, reading and storing included.

    BENCH_DUE        how many people are due (20,000)
    BENCH_PROCESSES  processes that sign, one table row each (1,2,3)

The rate is that between the first page and the last one; starting the processes is told apart. Beside it in the same
run: bare ES256 signatures of `cryptography`, and the processor time of each certificate in the processes and in mongod.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from pymongo import MongoClient

from fhir_server.cli import issuing
from fhir_server.interactions import write
from fhir_server.operations import issue_due
from fhir_server.server import Context, start
from fhir_server.settings import Settings
from fhir_server.store import connect
from fhir_server.store.embedded import EmbeddedMongo
from scripts.bench.serving import tell
from signing import development

PEOPLE = int(os.environ.get("BENCH_DUE", "20000"))
PROCESSES = [int(each) for each in os.environ.get("BENCH_PROCESSES", "1,2,3").split(",")]
DATABASE = "bench"
GROUP = 400
OFTEN = 0.05  # seconds between two looks at the job
PRODUCT = "https://fhir.tiemchung.vn/CodeSystem/vaccine-product"
SCT = "http://snomed.info/sct"
Json = dict[str, Any]


def run() -> None:
    """Print certificates a second, and what each took, by number of processes."""
    tell(f"{PEOPLE} people, two doses each, HC1 with ES256; a bare signature takes {_bare():.0f} µs\n")
    tell("| processes | certificates/s | certificates | to start, s | processor time of each, µs | of mongod, µs |")
    tell("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        development.generate(keys, datetime.now(UTC))
        with EmbeddedMongo(Path(folder) / "mongodb") as mongod:
            asyncio.run(_fill(mongod.uri))
            for processes in PROCESSES:
                _measure(mongod, {"mongodb_uri": mongod.uri, "database": DATABASE, "keys": keys}, processes)
    tell(f"\na bare signature takes {_bare():.0f} µs afterwards")


def _measure(mongod: EmbeddedMongo, given: Json, processes: int) -> None:
    _forget(mongod.uri)
    begun, before = time.perf_counter(), (_children(), _of(mongod.pid))
    with _watching(mongod.uri) as seen:
        counts = issuing.all_due(given, ["hc1"], None, processes)
    after = (_children(), _of(mongod.pid))
    idle = _children()
    issuing.all_due(given, ["icvp"], None, processes)  # nobody is due: reading and starting only
    _forget(mongod.uri)
    resting = _children() - idle
    made = counts["issued"]
    (first, some), (last, all) = seen[0], seen[-1]
    own, its = (1e6 * (late - early) / made for early, late in zip(before, after, strict=True))
    tell(
        f"| {processes} | {(all - some) / (last - first):,.0f} | {made:,} | {first - begun:.1f}"
        f" | {own:.0f}, of them {1e6 * resting / made:.0f} to start and read | {its:.0f} |"
    )


@contextmanager
def _watching(uri: str) -> Iterator[list[tuple[float, int]]]:
    """Yield a list that fills with moments and how many certificates there were, from the first one on."""
    seen: list[tuple[float, int]] = []
    over = threading.Event()

    async def look() -> None:
        async with await connect(uri, DATABASE) as store:
            while not over.is_set():
                for progress in await store.jobs.running(issue_due.KIND):
                    issued = progress.counts.get("issued", 0)
                    if issued and (not seen or issued > seen[-1][1]):
                        seen.append((time.perf_counter(), issued))
                await asyncio.sleep(OFTEN)

    thread = threading.Thread(target=lambda: asyncio.run(look()))
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _forget(uri: str) -> None:
    with MongoClient[Json](uri) as client:
        for name in ("certificates", "jobs", "parts"):
            client[DATABASE].drop_collection(name)


def _children() -> float:
    """Return the processor time of all processes that were started and have ended, in seconds."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _of(pid: int | None) -> float:
    """Return the processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bare() -> float:
    """Return the processor time of a signature, in microseconds."""
    key, count = ec.generate_private_key(ec.SECP256R1()), 5000
    begun = time.process_time()
    for _ in range(count):
        key.sign(b"x" * 300, ec.ECDSA(SHA256()))
    return 1e6 * (time.process_time() - begun) / count


async def _fill(uri: str) -> None:
    server = await start(Settings(database=DATABASE), uri)
    ctx = Context(server, datetime.now(UTC), lambda: "", "", open=True)
    group: list[Json] = []
    for resource in _resources():
        group.append(resource)
        if len(group) == GROUP:
            await _store(ctx, group)
            group = []
    await _store(ctx, group)
    await server.close()


async def _store(ctx: Context, resources: list[Json]) -> None:
    puts = [write.put(ctx, resource, resource["id"], None, "PUT") for resource in resources]
    await asyncio.gather(*(ctx.server.store.write(put) for put in puts))


def _resources() -> Iterator[Json]:
    for number in range(PEOPLE):
        id = f"p{number:08d}"
        yield {
            "resourceType": "Patient",
            "id": id,
            "name": [{"use": "official", "family": "Nguyễn", "given": ["Văn", f"An {number % 26}"]}],
            "gender": "male",
            "birthDate": f"{1950 + number % 60}-05-{1 + number % 28:02d}",
        }
        for dose, day in ((1, "2021-08-14"), (2, "2021-09-11")):
            yield _dose(id, dose, day)


def _dose(patient: str, number: int, day: str) -> Json:
    disease = {"coding": [{"system": SCT, "code": "840539006"}]}
    return {
        "resourceType": "Immunization",
        "id": f"{patient}-{number}",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": PRODUCT, "code": "comirnaty"}]},
        "patient": {"reference": f"Patient/{patient}"},
        "occurrenceDateTime": day,
        "lotNumber": "COM2123744",
        "protocolApplied": [{"targetDisease": [disease], "doseNumberPositiveInt": number, "seriesDosesPositiveInt": 2}],
    }
