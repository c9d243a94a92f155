"""The law of answers: whatever is asked, no failure of the server, and every refusal is an OperationOutcome.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from pymongo import MongoClient

from tests.http.fuzzing import SEEDS, Said, requests, require_lawful
from tests.http.serving import bundle, entry, serving

QUICK = settings(max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=20_000, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
async def stocked(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that has one resource of each kind that is tried."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name) as client:
        rows = [entry("PUT", f"{seed['resourceType']}/{seed['id']}", seed) for seed in SEEDS if "id" in seed]
        answer = await client.post("/fhir", json=bundle("transaction", *rows))
        assert answer.status_code == 200, answer.text
        yield client
        assert (await client.get("/health/ready")).status_code == 200
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


JSON = (("content-type", "application/fhir+json"),)
FOUND = [  # by long runs
    Said("POST", "", JSON, b'{"resourceType": "Bundle", "type": [], "entry": []}'),
    Said(
        "PATCH",
        "Patient/a",
        JSON,
        b'{"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [{"name": []}]}]}',
    ),
]


@pytest.mark.parametrize("said", FOUND, ids=range(len(FOUND)))
async def test_what_was_found_stays_repaired(stocked: httpx.AsyncClient, said: Said) -> None:
    assert (await require_lawful(stocked, said)).status_code == 400


@QUICK
@given(said=requests)
async def test_every_answer_obeys_the_law(stocked: httpx.AsyncClient, said: Said) -> None:
    await require_lawful(stocked, said)


@pytest.mark.long
@LONG
@given(said=requests)
async def test_every_answer_obeys_the_law_for_long(stocked: httpx.AsyncClient, said: Said) -> None:
    await require_lawful(stocked, said)
