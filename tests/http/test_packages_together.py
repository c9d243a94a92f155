"""Packages that need, break or take over each other: what is told, and what is given back.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT, serving
from tests.http.test_packages import WITHOUT, add, codes, conforms, manifest, profile, remove, tgz, told

Json = dict[str, Any]


@pytest.fixture
async def client(mongodb_uri: str, database: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(mongodb_uri, database) as client:
        yield client


async def test_what_a_package_took_over_is_given_back_when_it_goes(client: httpx.AsyncClient, tmp_path: Path) -> None:
    strict = profile("a.example")
    loose = {**strict, "differential": {"element": [{"id": "Patient", "path": "Patient"}]}}
    await add(client, tgz(tmp_path, manifest("a.example"), strict, codes("a.example", "red")))
    await add(client, tgz(tmp_path, manifest("b.example"), loose))
    await add(client, tgz(tmp_path, manifest("c.example"), loose))
    assert told(await remove(client, "b.example"))["removed"] == 0  # it is c's
    assert await conforms(client, strict["url"], WITHOUT)
    assert told(await remove(client, "c.example"))["removed"] == 1
    assert not await conforms(client, strict["url"], WITHOUT)
    stored = (await client.get("/fhir/StructureDefinition/a.example.fhir.patient")).json()
    assert [tag["code"] for tag in stored["meta"]["tag"]] == ["a.example#1.0.0"]
    await add(client, tgz(tmp_path, manifest("c.example"), loose))
    await add(client, tgz(tmp_path, manifest("c.example", "2.0.0"), codes("c.example", "blue")))  # which has it no more
    assert not await conforms(client, strict["url"], WITHOUT)
    assert told(await remove(client, "a.example"))["removed"] == 2
    assert (await client.get("/fhir/StructureDefinition/a.example.fhir.patient")).status_code == 410


LOST, NEXT = "http://nowhere.example/StructureDefinition/patient", "http://a.example/fhir/StructureDefinition/next"
BROKEN = {"key": "k-1", "severity": "error", "human": "h", "expression": "name.nothing(("}
WITHOUT_EFFECT = {
    "a base that is not here": ([profile("a.example", baseDefinition=LOST)], f"its base {LOST} is not known"),
    "a base that derives from it": (
        [
            profile("a.example", baseDefinition=NEXT),
            profile("a.example", id="next", url=NEXT, baseDefinition=profile("a.example")["url"]),
        ],
        "derives from it",
    ),
    "a rule that is no FHIRPath": (
        [
            profile(
                "a.example",
                differential={"element": [{"id": "Patient", "path": "Patient", "constraint": [BROKEN]}]},
            )
        ],
        "k-1 is not checked",
    ),
}


@pytest.mark.parametrize(("resources", "says"), WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
async def test_what_of_a_package_cannot_take_effect_is_told_at_once_and_in_every_report(
    client: httpx.AsyncClient, tmp_path: Path, resources: list[Json], says: str
) -> None:
    needed = {"nowhere.example": "1.0.0", "hl7.fhir.r4.core": "4.0.1", "a.example": "1.0.0"}
    answer = await add(client, tgz(tmp_path, manifest("a.example", dependencies=needed), *resources))
    notes = [row["valueString"] for row in answer.json()["parameter"] if row["name"] == "note"]
    assert notes[0] == "It needs nowhere.example#1.0.0, which is not here"
    assert says in notes[1]
    declared = {**PATIENT, "meta": {"profile": [resources[0]["url"]]}}
    issues = (await client.post("/fhir/Patient/$validate", json=declared)).json()["issue"]
    assert "not checked here" in issues[0]["diagnostics"]
