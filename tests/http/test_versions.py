"""Of several business versions of a definition the highest is in force, whichever was stored last.

https://hl7.org/fhir/R4/references.html#canonical
"""

from typing import Any

import httpx
import pytest

SYSTEM = "https://example.org/CodeSystem/colours"


def colours(version: str, *codes: str, status: str = "active") -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": SYSTEM,
        "version": version,
        "status": status,
        "content": "complete",
        "concept": [{"code": code} for code in codes],
    }


def painted(code: str) -> dict[str, Any]:
    return {"resourceType": "Basic", "code": {"coding": [{"system": SYSTEM, "code": code}]}}


@pytest.mark.parametrize(
    "stored",
    [
        [colours("1.10", "red", "blue"), colours("1.9", "red")],
        [colours("1.9", "red"), colours("1.10", "red", "blue")],
        [colours("1.10", "red", "blue"), colours("2.0", "red", status="draft")],
    ],
    ids=["the-lower-one-later", "the-higher-one-later", "a-draft-later"],
)
async def test_codes_are_judged_by_the_highest_version_that_is_active(
    client: httpx.AsyncClient, stored: list[dict[str, Any]]
) -> None:
    locations = [(await client.post("/fhir/CodeSystem", json=each)).headers["location"] for each in stored]
    try:
        assert (await client.post("/fhir/Basic", json=painted("blue"))).status_code == 201
        assert (await client.post("/fhir/Basic", json=painted("green"))).status_code == 422
    finally:
        for location in locations:
            assert (await client.delete(location.partition("/_history")[0])).status_code == 204
