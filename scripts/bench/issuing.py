"""Issuing in bulk: `certificate issue --all-due` over people who have two doses each, reading and storing included.

    BENCH_DUE        how many people are due (10,000)
    BENCH_PROCESSES  processes that sign, one table row each (1,2,3)

Beside it in the same run: bare ES256 signatures of `cryptography` on one core.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from fhir_server.cli import issuing
from fhir_server.interactions import write
from fhir_server.server import Context, start
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedMongo
from signing import development

PEOPLE = int(os.environ.get("BENCH_DUE", "10000"))
PROCESSES = [int(each) for each in os.environ.get("BENCH_PROCESSES", "1,2,3").split(",")]
GROUP = 400
PRODUCT = "https://fhir.tiemchung.vn/CodeSystem/vaccine-product"
SCT = "http://snomed.info/sct"
Json = dict[str, Any]


def run() -> None:
    """Print certificates a second by number of processes."""
    sys.stdout.write(
        f"{PEOPLE} people, two doses each, HC1 with ES256; bare signatures on one core: {_bare():,.0f}/s\n\n"
    )
    sys.stdout.write("| processes | certificates/s | certificates | seconds |\n|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        development.generate(keys, datetime.now(UTC))
        with EmbeddedMongo(Path(folder) / "mongodb") as mongod:
            for processes in PROCESSES:
                database = f"bench_{processes}"
                asyncio.run(_fill(mongod.uri, database))
                given = {"mongodb_uri": mongod.uri, "database": database, "keys": keys}
                begun = time.perf_counter()
                counts = issuing.all_due(given, ["hc1"], None, processes)
                seconds = time.perf_counter() - begun
                made = counts["issued"]
                sys.stdout.write(f"| {processes} | {made / seconds:,.0f} | {made:,} | {seconds:.1f} |\n")
                sys.stdout.flush()


def _bare() -> float:
    key, count = ec.generate_private_key(ec.SECP256R1()), 5000
    begun = time.perf_counter()
    for _ in range(count):
        key.sign(b"x" * 300, ec.ECDSA(SHA256()))
    return count / (time.perf_counter() - begun)


async def _fill(uri: str, database: str) -> None:
    server = await start(Settings(database=database), uri)
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
