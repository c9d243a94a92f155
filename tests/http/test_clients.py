"""Clients that others wrote, against this server: what their users do, they do here.

https://github.com/smart-on-fhir/client-py · https://github.com/beda-software/fhir-py · https://github.com/Vermonster/fhir-kit-client
"""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.humanname import HumanName
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.http.serving import PATIENT, bundle, dose, entry

Json = dict[str, Any]
SYSTEM = "urn:oid:2.16.704.1"


def child(tag: str, number: int = 0) -> Json:
    return {**PATIENT, "identifier": [{"system": SYSTEM, "value": f"{tag}-{number}"}], "name": [{"family": f"{tag}x"}]}


def family(tag: str) -> Json:
    """Return a transaction: a child that is stored once, and its dose."""
    url = "urn:uuid:0f3c4d4e-5d7e-4d4b-9a3b-6a3b7f0f7c11"
    first = entry("POST", "Patient", child(tag), fullUrl=url)
    first["request"]["ifNoneExist"] = f"identifier={SYSTEM}|{tag}-0"
    return bundle("transaction", first, entry("POST", "Immunization", dose(url)))


def use_fhirclient(base: str) -> None:
    server = FHIRClient(settings={"app_id": "test", "api_base": base}).server
    assert server.capabilityStatement.fhirVersion == "4.0.1"
    first = Patient(child("fc"))
    first.id = first.create(server)["id"]
    read = Patient.read(first.id, server)
    assert (read.gender, read.meta.versionId, read.birthDate.isostring) == ("male", "1", "2025-08-12")
    read.name = [HumanName({"family": "Trần"})]
    assert read.update()["meta"]["versionId"] == "2"
    for number in range(1, 8):
        Patient(child("fc", number)).create(server)
    search = Patient.where({"identifier": f"{SYSTEM}|", "family": "fcx", "_count": "3"})
    assert len({each.id for each in search.perform_resources_iter(server)}) == 7  # in three pages
    for _ in range(2):
        answer = Bundle(family("fct")).create(server)
        assert [row["response"]["status"][:3] for row in answer["entry"]][1] == "201"
    assert len(list(Patient.where({"identifier": f"{SYSTEM}|fct-0"}).perform_resources_iter(server))) == 1
    read.delete()
    with pytest.raises(FHIRNotFoundException):
        Patient.read("nobody", server)


def use_fhirpy(base: str) -> None:
    client = SyncFHIRClient(base)
    assert client.execute("metadata", method="get")["fhirVersion"] == "4.0.1"
    patient = client.resource("Patient", **child("py"))
    patient.save()
    patient["active"] = True
    patient.save()
    assert client.reference("Patient", patient.id).to_resource()["meta"]["versionId"] == "2"
    assert patient.patch(gender="other")["gender"] == "other"
    changed = SyncFHIRClient(base, extra_headers={"Content-Type": "application/json-patch+json"}).execute(
        f"Patient/{patient.id}", method="patch", data=[{"op": "replace", "path": "/gender", "value": "female"}]
    )
    assert changed["gender"] == "female"
    once = SyncFHIRClient(base, extra_headers={"If-None-Exist": f"identifier={SYSTEM}|py-0"})
    assert once.execute("Patient", method="post", data=child("py"))["id"] == patient.id
    with pytest.raises(OperationOutcome, match="If-None-Exist"):  # its condition is not one of R4: never left out
        client.resources("Patient").search(family="pyx").get_or_create(patient)
    for number in range(1, 8):
        client.resource("Patient", **child("py", number)).save()
    with pytest.raises(MultipleResourcesFound):
        client.resources("Patient").search(family="pyx").update(client.resource("Patient", **child("py")))
    found = client.resources("Patient").search(family="pyx").sort("-_lastUpdated").limit(3).fetch_all()
    assert len({each.id for each in found}) == 8
    # count() adds a parameter of another server, which is left out only on request.
    lenient = SyncFHIRClient(base, extra_headers={"Prefer": "handling=lenient"})
    assert lenient.resources("Patient").search(family="pyx").count() == 8
    answer = client.execute("", method="post", data=family("pyt"))
    assert answer["entry"][1]["response"]["status"].startswith("201")
    assert len(client.resources("Immunization").search(patient__identifier=f"{SYSTEM}|pyt-0").fetch_all()) == 1
    patient.delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", patient.id).to_resource()
    with pytest.raises(OperationOutcome):
        client.resource("Patient", gender="unknowable").save()


@pytest.mark.parametrize("use", [use_fhirclient, use_fhirpy], ids=["fhirclient", "fhirpy"])
async def test_a_client_in_python_works(client: httpx.AsyncClient, use: Any) -> None:
    await asyncio.to_thread(use, f"{client.base_url}/fhir")


async def test_the_asynchronous_fhirpy_works(client: httpx.AsyncClient) -> None:
    py = AsyncFHIRClient(f"{client.base_url}/fhir")
    assert (await py.execute("metadata", method="get"))["fhirVersion"] == "4.0.1"
    made = await asyncio.gather(*(py.resource("Patient", **child("ap", number)).save() for number in range(8)))
    assert len({each["id"] for each in made}) == 8
    found = [each.id async for each in py.resources("Patient").search(family="apx").limit(3)]
    assert sorted(found) == sorted(each["id"] for each in made)
    first = await py.resources("Patient").search(identifier=f"{SYSTEM}|ap-0").get()
    assert (await first.patch(active=False))["active"] is False
    same, created = await py.resources("Patient").search(identifier=f"{SYSTEM}|ap-0").update(first)
    assert (same.id, created) == (first.id, False)
    answer = await py.execute("", method="post", data=family("apt"))
    assert answer["type"] == "transaction-response"
    await first.delete()
    with pytest.raises(ResourceNotFound):
        await py.reference("Patient", first.id).to_resource()


SCRIPT = Path(__file__).with_name("fhir_kit_client.mjs")


@pytest.fixture(scope="module")
def fhir_kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fhir-kit-client and the script that uses it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not here: fhir-kit-client is NOT tried")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "fhir-kit-client@2"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("the npm registry does not answer: fhir-kit-client is NOT tried")
    shutil.copy(SCRIPT, folder)
    return folder


async def test_fhir_kit_client_works(client: httpx.AsyncClient, fhir_kit: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("node", SCRIPT.name, f"{client.base_url}/fhir", json.dumps(child("kit")), json.dumps(family("kitt"))),
        cwd=fhir_kit,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert output.decode().strip().endswith("done")
