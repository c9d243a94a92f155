"""The national packages in a server: read, searched, looked up, translated, enforced.

docs/national.md · https://hl7.org/fhir/R4/terminology-service.html
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from examples import files
from examples.generate import bundles
from tests.http.serving import JSON, bundle, entry, serving
from tests.profiles.bases import BASES, DOSE, EVENT, PATIENT, without

CHILD = Path(__file__).parents[2] / "examples" / "child.json"
OWN, CORE = "https://fhir.tiemchung.vn", "http://fhir.hl7.org.vn/core"


@pytest.fixture(scope="module")
async def client(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that has stored its packages and enforces the programme's profiles."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, store_packages=True, profiles="enforce") as client:
        for _ in range(600):
            if (await client.get(f"/fhir/CodeSystem?url={OWN}/CodeSystem/vaccine-product")).json().get("entry"):
                break
            await asyncio.sleep(0.2)
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def parameters(client: httpx.AsyncClient, path: str, **query: str) -> dict[str, list[Any]]:
    """Return the values of the answer's parameters by name."""
    answer = await client.get(f"/fhir/{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[Any]] = {}
    for parameter in answer.json()["parameter"]:
        value = next((value for key, value in parameter.items() if key.startswith("value")), parameter.get("part"))
        found.setdefault(parameter["name"], []).append(value)
    return found


@pytest.mark.parametrize(
    ("type", "url"),
    [
        ("StructureDefinition", f"{OWN}/StructureDefinition/vn-imm-immunization"),
        ("StructureDefinition", f"{CORE}/StructureDefinition/vn-core-patient"),
        ("ValueSet", f"{OWN}/ValueSet/vaccine"),
        ("CodeSystem", f"{OWN}/CodeSystem/commune-until-2025"),
        ("ConceptMap", f"{OWN}/ConceptMap/commune-since-2025"),
        ("SearchParameter", f"{OWN}/SearchParameter/patient-cccd"),
        ("CapabilityStatement", f"{OWN}/CapabilityStatement/vn-imm-server"),
        ("OperationDefinition", f"{CORE}/OperationDefinition/vn-submit-bhyt-claim"),
    ],
    ids=lambda value: value.rpartition("/")[2],
)
async def test_what_the_packages_define_can_be_found(client: httpx.AsyncClient, type: str, url: str) -> None:
    [entry] = (await client.get(f"/fhir/{type}", params={"url": url})).json()["entry"]
    assert entry["resource"]["url"] == url


async def test_a_number_s_system_can_be_found(client: httpx.AsyncClient) -> None:
    found = (await client.get("/fhir/NamingSystem", params={"value": f"{CORE}/sid/cccd"})).json()
    assert [entry["resource"]["name"] for entry in found["entry"]] == ["VNCccdNs"]


async def test_a_commune_that_was_split_is_translated_to_all_that_it_became(client: httpx.AsyncClient) -> None:
    asked = {"url": f"{OWN}/ConceptMap/commune-since-2025", "system": f"{OWN}/CodeSystem/commune-until-2025"}
    found = await parameters(client, "ConceptMap/$translate", code="00019", **asked)
    targets = {part["valueCoding"]["code"] for match in found["match"] for part in match if part["name"] == "concept"}
    assert found["result"] == [True]
    assert targets == {"00004", "00070", "00190", "00226"}


async def test_a_product_is_translated_to_the_codes_of_the_world(client: httpx.AsyncClient) -> None:
    asked = {"url": f"{OWN}/ConceptMap/vaccine-cvx", "system": f"{OWN}/CodeSystem/vaccine-product"}
    found = await parameters(client, "ConceptMap/$translate", code="bcg-ivac", **asked)
    [match] = found["match"]
    assert {part["name"]: part for part in match}["concept"]["valueCoding"]["code"] == "19"


async def test_a_vaccine_is_looked_up_with_its_properties(client: httpx.AsyncClient) -> None:
    found = await parameters(client, "CodeSystem/$lookup", system=f"{OWN}/CodeSystem/vaccine-product", code="comirnaty")
    properties = {part["valueCode"]: row[1] for row in found["property"] for part in row[:1]}
    assert found["display"] == ["Comirnaty"]
    assert properties["validFrom"]["valueDateTime"] == "2021-06-12"


@pytest.mark.parametrize(
    ("set", "code", "date", "expected"),
    [
        ("vn-ward-vs", "00004", "2026-01-01", True),
        ("vn-ward-vs", "00004", "2025-06-30", False),
        ("vn-ward-vs", "00001", "2026-01-01", False),
    ],
    ids=["in force", "not yet", "no longer a code"],
)
async def test_a_commune_is_a_code_on_its_days(
    client: httpx.AsyncClient, set: str, code: str, date: str, expected: bool
) -> None:
    asked = {"url": f"{CORE}/ValueSet/{set}", "system": f"{CORE}/CodeSystem/vn-ward-cs", "code": code, "date": date}
    assert (await parameters(client, "ValueSet/$validate-code", **asked))["result"] == [expected]


@pytest.mark.parametrize("base", BASES, ids=lambda base: base["resourceType"])
async def test_a_record_by_the_profile_of_its_type_is_stored(client: httpx.AsyncClient, base: dict[str, Any]) -> None:
    answer = await client.post(f"/fhir/{base['resourceType']}", json=base)
    assert answer.status_code == 201, answer.text


async def test_the_profile_of_its_type_is_enforced_where_none_is_declared(client: httpx.AsyncClient) -> None:
    for resource, rule in (
        (without(PATIENT, "meta", "gender"), "Patient.gender:min"),
        (without(DOSE, "meta", "lotNumber"), "vn-imm-lot"),
    ):
        answer = await client.post(f"/fhir/{resource['resourceType']}", json=resource)
        assert answer.status_code == 422
        errors = [issue for issue in answer.json()["issue"] if issue["severity"] == "error"]
        assert [issue["details"]["coding"][0]["code"] for issue in errors] == [rule]


async def test_the_profiles_are_in_the_capability_statement(client: httpx.AsyncClient) -> None:
    resources = {row["type"]: row for row in (await client.get("/fhir/metadata")).json()["rest"][0]["resource"]}
    for base in BASES:
        assert base["meta"]["profile"][0] in resources[base["resourceType"]]["supportedProfile"]


async def test_the_examples_are_stored_while_profiles_and_references_are_enforced(
    mongodb_uri: str, database: str
) -> None:
    async with serving(mongodb_uri, database, profiles="enforce", references="enforce") as strict:
        for bundle in bundles(6, 2026, date(2026, 11, 1)):
            answer = await strict.post("/fhir", content=files.line(bundle), headers=JSON)
            assert answer.status_code == 200, answer.text
        child = json.loads(CHILD.read_bytes())
        assert (await strict.post("/fhir", json=child)).status_code == 200
        stored = (await strict.get("/fhir/Patient?_summary=count")).json()
        assert stored["total"] == 7


async def test_a_rule_that_looks_at_another_resource_is_answered_by_the_store(client: httpx.AsyncClient) -> None:
    given = {**without(DOSE, "patient"), "patient": {"reference": "Patient/nobody"}}
    dose = (await client.post("/fhir/Immunization", json=given)).json()["id"]
    told = {"Prefer": "return=OperationOutcome"}
    for began, broken in (("2026-03-20T07:59:00+07:00", True), ("2026-03-20T08:20:00+07:00", False)):
        event = {**EVENT, "date": began, "suspectEntity": [{"instance": {"reference": f"Immunization/{dose}"}}]}
        answer = await client.post("/fhir/AdverseEvent", json=event, headers=told)
        assert answer.status_code == 201, answer.text
        rules = [issue.get("details", {}).get("coding", [{}])[0].get("code") for issue in answer.json()["issue"]]
        assert ("vn-imm-aefi-after-dose" in rules) is broken


async def test_and_by_what_is_written_in_the_same_transaction(client: httpx.AsyncClient) -> None:
    link = "urn:uuid:7a1c2f0e-3b7d-4f58-9f0b-6f2a9d0c1e11"
    event = {**EVENT, "date": "2026-03-20T07:59:00+07:00", "suspectEntity": [{"instance": {"reference": link}}]}
    both = bundle(
        "transaction", entry("POST", "AdverseEvent", event), entry("POST", "Immunization", DOSE, fullUrl=link)
    )
    answer = await client.post("/fhir", json=both, headers={"Prefer": "return=OperationOutcome"})
    [issue] = answer.json()["entry"][0]["response"]["outcome"]["issue"]
    assert (issue["severity"], issue["expression"]) == ("warning", ["Bundle.entry[0].resource"])
    assert issue["details"]["coding"][0]["code"] == "vn-imm-aefi-after-dose"
