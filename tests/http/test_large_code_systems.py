"""Code systems too large for memory: indexed when they are whole, without being asked; validation knows them.

https://hl7.org/fhir/R4/codesystem.html
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.http.serving import PATIENT, dose, serving
from tests.http.terminology_examples import BASE, code_system, concept, told, value_set, where

Json = dict[str, Any]

URL = f"{BASE}/CodeSystem/vaccines"
COUNT = 6000
PROFILE = f"{BASE}/StructureDefinition/known-vaccine"


def part(number: int, of: int) -> Json:
    """Return every second concept, or fourth: what is above those of one part is in the others."""
    rows = [
        concept(
            f"C{at}", f"A vaccine with a name that is long enough {at}", **({"parent": f"C{at // 10}"} if at else {})
        )
        for at in range(number, COUNT, of)
    ]
    return {**code_system(URL, *rows, content="fragment", count=COUNT), "id": f"vaccines-{number}"}


@pytest.fixture
async def client(mongodb_uri: str, database: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(mongodb_uri, database) as client:
        yield client


async def finished(mongodb_uri: str, database: str) -> list[Json]:
    """Return what is known of the concepts that are being indexed, once some are complete."""
    with MongoClient[Json](mongodb_uri) as admin:
        for _ in range(600):
            states = list(admin[database]["concepts_built"].find())
            if states and all(state.get("done") for state in states):
                return states
            await asyncio.sleep(0.1)
    pytest.fail(f"the concepts are not indexed: {states}")


@pytest.mark.parametrize("of", [2, 4], ids=["large parts", "small parts"])
async def test_concepts_are_indexed_when_the_last_part_is_stored_and_nobody_asked(
    client: httpx.AsyncClient, mongodb_uri: str, database: str, of: int
) -> None:
    for number in range(of):
        assert (await client.put(f"/fhir/CodeSystem/vaccines-{number}", json=part(number, of))).status_code == 201
    [state] = await finished(mongodb_uri, database)
    assert (state["n"], state["parts"]) == (COUNT, [f"CodeSystem/vaccines-{number}/1" for number in range(of)])
    assert await told(client, "CodeSystem/$subsumes", system=URL, codeA="C5", codeB="C5999") == {"outcome": "subsumes"}


async def test_a_binding_to_a_large_code_system_holds(
    client: httpx.AsyncClient, mongodb_uri: str, database: str
) -> None:
    whole = code_system(URL, *part(0, 1)["concept"])
    profile = {
        "resourceType": "StructureDefinition",
        "id": "known-vaccine",
        "url": PROFILE,
        "name": "KnownVaccine",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Immunization",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Immunization",
        "derivation": "constraint",
        "differential": {
            "element": [
                {
                    "id": "Immunization.vaccineCode",
                    "path": "Immunization.vaccineCode",
                    "binding": {"strength": "required", "valueSet": f"{BASE}/ValueSet/below-c5"},
                }
            ]
        },
    }
    below = value_set("below-c5", where("concept", "is-a", "C5", system=URL))
    for resource in (whole, below, profile, {**PATIENT, "id": "p"}):
        answer = await client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text
    await finished(mongodb_uri, database)
    for code, status in (("C5", 201), ("C5999", 201), ("C6", 422), ("D5", 422)):
        given = dose("Patient/p", vaccineCode={"coding": [{"system": URL, "code": code}]}, meta={"profile": [PROFILE]})
        answer = await client.post("/fhir/Immunization", json=given)
        assert answer.status_code == status, answer.text
