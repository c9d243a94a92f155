"""The whole life of one dose: entered, verified, signed, certified, corrected, certified anew, entered in error.

docs/life-of-a-dose.md tells the same story in words; Decision 5772/QĐ-BYT (2021).
"""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.http.facilities import authority, input_of, organization, performed_by
from tests.http.persons import covid, person
from tests.http.serving import bundle, entry, serving

Json = dict[str, Any]

CA = authority()
FACILITY = CA.below("Sub CA").signer("MCSKCB:01001")
STAFF = {"name": "verifier", "valueReference": {"reference": "Practitioner/nurse"}}


@pytest.fixture(scope="module")
async def client(
    mongodb_uri: str, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A server that certifies only what a facility has signed."""
    trusted = tmp_path_factory.mktemp("authorities") / "ca.pem"
    trusted.write_bytes(CA.pem)
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys, facility_trust=trusted, signed_doses="enforce") as client:
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


def parameters(*rows: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(rows)}


async def step(client: httpx.AsyncClient, dose: str) -> str:
    answer = await client.get(f"/fhir/Immunization/{dose}/$dose-status")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["parameter"][0]["valueCode"])


async def certify(client: httpx.AsyncClient, patient: str) -> httpx.Response:
    return await client.post(f"/fhir/Patient/{patient}/$issue-certificate")


async def certified(client: httpx.AsyncClient, patient: str) -> Json:
    answer = await certify(client, patient)
    assert answer.status_code == 200, answer.text
    return {row["name"]: next(row[key] for key in row if key != "name") for row in answer.json()["parameter"]}


async def verdict(client: httpx.AsyncClient, certificate: Json) -> tuple[bool, str]:
    """Return whether a certificate verifies, and what its revocation stage says."""
    said = (await client.post("/certificates/verify", json={"certificate": certificate["content"]})).json()
    return said["valid"], next(row["code"] for row in said["stages"] if row["stage"] == "revocation")


async def standing(client: httpx.AsyncClient, certificate: Json) -> tuple[str, str | None]:
    said = (await client.get(f"/certificates/{certificate['identifier']}/status")).json()
    return said["status"], said["reason"]


async def sign(client: httpx.AsyncClient, dose: str) -> httpx.Response:
    jws = FACILITY.sign(await input_of(client, dose))
    body = parameters({"name": "jws", "valueString": jws})
    return await client.post(f"/fhir/Immunization/{dose}/$sign-dose", json=body)


async def test_the_life_of_a_dose(client: httpx.AsyncClient) -> None:
    # A nurse records the dose that her facility gave.
    patient, dose = "le-thi-hoa", "le-thi-hoa-1"
    by = performed_by("tram")
    given = {**covid(patient, "2021-08-14", 1), "id": dose, "performer": by, "lotNumber": "COM2123744"}
    recorded = await client.post(
        "/fhir",
        json=bundle(
            "transaction",
            entry("PUT", "Organization/tram", organization("tram", "01001")),
            entry("PUT", f"Patient/{patient}", person(patient, "001188000001")),
            entry("PUT", f"Immunization/{dose}", given),
        ),
    )
    assert recorded.status_code == 200, recorded.text
    assert await step(client, dose) == "entered"

    # Without the signature of the facility there is no certificate, and the answer says what to do.
    refused = await certify(client, patient)
    assert (refused.status_code, refused.json()["issue"][0]["details"]["coding"][0]["code"]) == (422, "dose-unsigned")

    # She verifies the person against the population database, and the facility signs what is recorded.
    method = {"name": "method", "valueCode": "population-database"}
    verified = await client.post(f"/fhir/Immunization/{dose}/$verify-dose", json=parameters(STAFF, method))
    assert verified.status_code == 200, verified.text
    assert await step(client, dose) == "verified"
    assert (await sign(client, dose)).status_code == 200
    assert await step(client, dose) == "signed"

    # Now the ministry certifies the dose: anybody can verify it.
    first = await certified(client, patient)
    assert await step(client, dose) == "issued"
    assert await verdict(client, first) == (True, "ok")
    assert await standing(client, first) == ("valid", None)

    # A remark on the record is no correction: nothing changes.
    remark = {**given, "note": [{"text": "No reaction within 30 minutes"}]}
    assert (await client.put(f"/fhir/Immunization/{dose}", json=remark)).status_code == 200
    assert await verdict(client, first) == (True, "ok")

    # The lot number was wrong. With the correction the signature is void and the certificate is on the list at once.
    corrected = {**remark, "lotNumber": "COM2123745"}
    assert (await client.put(f"/fhir/Immunization/{dose}", json=corrected)).status_code == 200
    assert await verdict(client, first) == (False, "revoked")
    assert await standing(client, first) == ("superseded", "dose-corrected")
    assert await step(client, dose) == "entered"
    refused = await certify(client, patient)
    assert (refused.status_code, refused.json()["issue"][0]["details"]["coding"][0]["code"]) == (422, "dose-altered")

    # Signed again, it is certified again: the new certificate names the one that it replaces.
    assert (await sign(client, dose)).status_code == 200
    second = await certified(client, patient)
    assert second["replaces"] == first["identifier"]
    assert await verdict(client, second) == (True, "ok")
    told = (await client.get(f"/certificates/{first['identifier']}/status")).json()
    assert (told["status"], told["replacedBy"]) == ("superseded", second["identifier"])
    document = (await client.get(f"/fhir/{second['document']['reference']}")).json()
    [link] = document["relatesTo"]
    assert (link["code"], link["target"]) == ("replaces", first["document"])
    assert (await client.get(f"/fhir/{first['document']['reference']}")).json()["status"] == "superseded"

    # It was the dose of another person altogether: entered in error, inside a transaction of the hospital.
    mistaken = {**corrected, "status": "entered-in-error"}
    done = await client.post("/fhir", json=bundle("transaction", entry("PUT", f"Immunization/{dose}", mistaken)))
    assert done.status_code == 200, done.text
    assert await verdict(client, second) == (False, "revoked")
    assert await standing(client, second) == ("superseded", "entered-in-error")
    refused = await certify(client, patient)
    assert (refused.status_code, refused.json()["issue"][0]["details"]["coding"][0]["code"]) == (
        422,
        "dcc-not-completed",
    )

    # The history of the person has it all.
    history = (await client.get(f"/fhir/Patient/{patient}/$certificates")).json()["parameter"]
    parts = [
        {part["name"]: next(part[key] for key in part if key != "name") for part in row["part"]} for row in history
    ]
    assert [(part["identifier"], part["status"], part["reason"]) for part in parts] == [
        (second["identifier"], "superseded", "entered-in-error"),
        (first["identifier"], "superseded", "dose-corrected"),
    ]
