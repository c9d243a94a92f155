"""Profiles that the settings demand, profiles that resources declare, and what only store and terminology can tell.

docs/validation.md · https://hl7.org/fhir/R4/profiling.html · https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import profiles
from tests.http.serving import PATIENT, bundle, dose, entry, serving

BASE = "http://example.org/StructureDefinition"
ADULT = {
    "resourceType": "StructureDefinition",
    "url": f"{BASE}/named",
    "name": "Named",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.telecom", "path": "Patient.telecom", "min": 1, "mustSupport": True}]},
}
OF_NAMED = {
    **ADULT,
    "url": f"{BASE}/of-named",
    "name": "OfNamed",
    "type": "Immunization",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Immunization",
    "differential": {
        "element": [
            {
                "id": "Immunization.patient",
                "path": "Immunization.patient",
                "type": [{"code": "Reference", "targetProfile": [f"{BASE}/named"]}],
            },
            {
                "id": "Immunization.site",
                "path": "Immunization.site",
                "binding": {"strength": "required", "valueSet": "http://example.org/sites"},
            },
        ]
    },
}
REACHABLE = {**PATIENT, "telecom": [{"system": "phone", "value": "0912345678"}]}


@pytest.fixture
async def enforcing(mongodb_uri: str, database: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that enforces the programme's profiles."""
    async with serving(mongodb_uri, database, profiles="enforce") as client:
        yield client


def issues(answer: httpx.Response) -> list[tuple[str, str]]:
    """Return severity and rule of each issue."""
    found = []
    for issue in answer.json()["issue"]:
        coding = issue.get("details", {}).get("coding", [{}])
        found.append((issue["severity"], coding[0].get("code", "")))
    return found


async def test_enforced_profiles_refuse_what_plain_r4_accepts(
    client: httpx.AsyncClient, enforcing: httpx.AsyncClient
) -> None:
    nameless = {"resourceType": "Patient", "gender": "male"}
    assert (await client.post("/fhir/Patient", json=nameless)).status_code == 201
    answer = await enforcing.post("/fhir/Patient", json=nameless)
    assert answer.status_code == 422
    by = {issue["extension"][0]["valueString"] for issue in answer.json()["issue"] if "extension" in issue}
    assert any(url.startswith(profiles.CANONICAL) for url in by)
    both = bundle("transaction", entry("POST", "Patient", nameless))
    assert (await enforcing.post("/fhir", json=both)).status_code == 422


async def test_in_warn_mode_the_same_is_stored_and_told_by_validate(mongodb_uri: str, database: str) -> None:
    async with serving(mongodb_uri, database, profiles="warn") as client:
        nameless = {"resourceType": "Patient", "gender": "male"}
        assert (await client.post("/fhir/Patient", json=nameless)).status_code == 201
        told = issues(await client.post("/fhir/Patient/$validate", json=nameless))
        assert told
        assert {severity for severity, _ in told} == {"warning"}
        prefer = {"Prefer": "return=OperationOutcome"}
        stored = issues(await client.post("/fhir/Patient", json=nameless, headers=prefer))
        assert stored == [("information", ""), *told]


@pytest.mark.parametrize("type", ["batch", "transaction"])
async def test_each_entry_that_was_stored_tells_its_warnings_when_asked(
    mongodb_uri: str, database: str, type: str
) -> None:
    nameless = {"resourceType": "Patient", "gender": "male"}
    nowhere = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": "Patient/nobody"}}
    sent = bundle(
        type, entry("POST", "Basic", nowhere), entry("POST", "Patient", nameless), entry("GET", "Patient?_id=x")
    )
    async with serving(mongodb_uri, database, profiles="warn") as client:
        plain = (await client.post("/fhir", json=sent)).json()
        assert not any("outcome" in row["response"] for row in plain["entry"])
        asked = (await client.post("/fhir", json=sent, headers={"Prefer": "return=OperationOutcome"})).json()
        first, second, third = (row["response"] for row in asked["entry"])
        assert (first["status"], second["status"]) == ("201 Created", "201 Created")
        assert "outcome" not in first
        assert "outcome" not in third
        told = {(issue["severity"], *issue["expression"]) for issue in second["outcome"]["issue"]}
        assert ("warning", "Bundle.entry[1].resource.birthDate") in told
        assert {severity for severity, _ in told} == {"warning"}


async def test_a_transaction_tells_what_the_store_and_the_terminology_answered(client: httpx.AsyncClient) -> None:
    await client.post("/fhir/StructureDefinition", json=OF_NAMED)
    site = {"coding": [{"system": "http://example.org/legs", "code": "left"}]}
    declared = dose("Patient/x", meta={"profile": [f"{BASE}/of-named"]}, site=site)
    sent = bundle("transaction", entry("POST", "Patient", PATIENT), entry("POST", "Immunization", declared))
    answer = await client.post("/fhir", json=sent, headers={"Prefer": "return=OperationOutcome"})
    [issue] = answer.json()["entry"][1]["response"]["outcome"]["issue"]
    assert (issue["severity"], issue["expression"]) == ("warning", ["Bundle.entry[1].resource.site"])


# FHIR_PROFILES, FHIR_PROFILES_AT_LEAST, what a request prefers; what becomes of a person without a name.
PREFERRED = [
    ("off", None, "enforce", 422, "enforce"),
    ("off", None, "off", 201, "off"),
    ("warn", None, "off", 201, None),
    ("enforce", None, "warn", 422, None),
    ("enforce", "warn", "warn", 201, "warn"),
    ("enforce", "warn", "off", 201, None),
    ("off", "enforce", "off", 201, "off"),
    ("enforce", "off", "sometimes", 422, None),
]


@pytest.mark.parametrize(("setting", "least", "preferred", "status", "applied"), PREFERRED, ids=map(str, PREFERRED))
async def test_a_request_may_be_stricter_than_the_settings_and_laxer_only_where_they_let_it(
    mongodb_uri: str,
    database: str,
    setting: str,
    least: str | None,
    preferred: str,
    status: int,
    applied: str | None,
) -> None:
    async with serving(mongodb_uri, database, profiles=setting, profiles_at_least=least) as client:
        nameless = {"resourceType": "Patient", "gender": "male"}
        answer = await client.post("/fhir/Patient", json=nameless, headers={"Prefer": f"profiles={preferred}"})
        assert answer.status_code == status
        assert answer.headers.get("preference-applied") == (f"profiles={applied}" if applied else None)


# FHIR_PROFILES, FHIR_PROFILES_AT_LEAST, what a request prefers; what becomes of who breaks what it declares.
DECLARED = [
    ("off", None, "off", 422),
    ("off", None, "warn", 422),
    ("warn", None, None, 422),
    ("warn", "warn", None, 422),
    ("warn", "warn", "enforce", 422),
    ("off", "enforce", "warn", 422),
    ("off", "warn", "warn", 201),
    ("enforce", "warn", "warn", 201),
    ("enforce", "off", "off", 201),
]


@pytest.mark.parametrize(("setting", "least", "preferred", "status"), DECLARED, ids=map(str, DECLARED))
async def test_what_a_resource_declares_it_keeps_unless_the_operator_lets_requests_ask_for_less(
    mongodb_uri: str, database: str, setting: str, least: str | None, preferred: str | None, status: int
) -> None:
    async with serving(mongodb_uri, database, profiles=setting, profiles_at_least=least) as client:
        url = f"{profiles.CANONICAL}/StructureDefinition/vn-imm-patient"
        nameless = {"resourceType": "Patient", "gender": "male", "meta": {"profile": [url]}}
        prefer = "return=OperationOutcome" + (f", profiles={preferred}" if preferred else "")
        answer = await client.post("/fhir/Patient", json=nameless, headers={"Prefer": prefer})
        assert answer.status_code == status
        assert ("warning" if status == 201 else "error", "Patient.birthDate:min") in issues(answer)
        assert (
            await client.post("/fhir/Patient", json={**nameless, "gender": "M"}, headers={"Prefer": prefer})
        ).is_error


async def test_the_profiles_of_a_type_can_be_chosen(mongodb_uri: str, database: str) -> None:
    vitals = ("http://hl7.org/fhir/StructureDefinition/vitalsigns",)
    async with serving(mongodb_uri, database, profiles="enforce", type_profiles=vitals) as client:
        plain: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        assert (await client.post("/fhir/Observation", json=plain)).status_code == 422
        assert (
            await client.post("/fhir/Patient", json={"resourceType": "Patient", "gender": "male"})
        ).status_code == 201


async def test_a_target_is_read_from_the_store_and_checked(mongodb_uri: str, database: str) -> None:
    async with serving(mongodb_uri, database, references="enforce") as client:
        for definition in (ADULT, OF_NAMED):
            assert (await client.post("/fhir/StructureDefinition", json=definition)).status_code == 201
        for patient, status in ((PATIENT, 422), (REACHABLE, 201)):
            id = (await client.post("/fhir/Patient", json=patient)).json()["id"]
            declared = dose(f"Patient/{id}", meta={"profile": [f"{BASE}/of-named"]})
            answer = await client.post("/fhir/Immunization", json=declared)
            assert answer.status_code == status
            if status == 422:
                assert ("error", "Immunization.patient:targetProfile") in issues(answer)


async def test_a_code_whose_value_set_nobody_knows_is_a_warning(client: httpx.AsyncClient) -> None:
    await client.post("/fhir/StructureDefinition", json=OF_NAMED)
    site = {"coding": [{"system": "http://example.org/arms", "code": "left"}]}
    declared = dose("Patient/x", meta={"profile": [f"{BASE}/of-named"]}, site=site)
    told = issues(await client.post("/fhir/Immunization/$validate", json=declared))
    assert ("warning", "Immunization.site:binding") in told
    assert (await client.post("/fhir/Immunization", json=declared)).status_code == 201


async def test_a_code_is_looked_up_in_a_value_set_uploaded_later(client: httpx.AsyncClient) -> None:
    system = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/arms",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "left"}],
    }
    sites = {
        "resourceType": "ValueSet",
        "url": "http://example.org/sites",
        "status": "active",
        "compose": {"include": [{"system": "http://example.org/arms"}]},
    }
    for resource in (OF_NAMED, system, sites):
        await client.post(f"/fhir/{resource['resourceType']}", json=resource)
    for code, status in (("left", 201), ("right", 422)):
        site = {"coding": [{"system": "http://example.org/arms", "code": code}]}
        declared = dose("Patient/x", meta={"profile": [f"{BASE}/of-named"]}, site=site)
        assert (await client.post("/fhir/Immunization", json=declared)).status_code == status


async def test_validate_tells_must_support_and_advice_on_request(client: httpx.AsyncClient) -> None:
    await client.post(
        "/fhir/StructureDefinition",
        json={
            **ADULT,
            "differential": {"element": [{"id": "Patient.telecom", "path": "Patient.telecom", "mustSupport": True}]},
            "url": f"{BASE}/supported",
        },
    )
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": PATIENT},
            {"name": "profile", "valueUri": f"{BASE}/supported"},
            {"name": "mustSupport", "valueBoolean": True},
            {"name": "bestPractice", "valueBoolean": True},
        ],
    }
    told = issues(await client.post("/fhir/Patient/$validate", json=asked))
    assert {("information", "Patient.telecom:mustSupport"), ("information", "dom-6")} <= set(told)
