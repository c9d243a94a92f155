"""People with doses against COVID-19 for the tests of certificates and of the status that others ask for.

https://hl7.org/fhir/R4/immunization.html
"""

import uuid
from typing import Any

import httpx

from tests.http.serving import bundle, dose, entry

Json = dict[str, Any]

CCCD = "http://fhir.hl7.org.vn/core/sid/cccd"
PRODUCT = "https://fhir.tiemchung.vn/CodeSystem/vaccine-product"
SCT = "http://snomed.info/sct"
COVID_19, HEPATITIS_B = "840539006", "66071002"
COMIRNATY = {"coding": [{"system": PRODUCT, "code": "comirnaty"}]}


def person(id: str, number: str, **changes: Any) -> Json:
    """Return a grown-up who can be certified."""
    return {
        "resourceType": "Patient",
        "id": id,
        "identifier": [{"system": CCCD, "value": number}],
        "name": [{"use": "official", "text": "Đỗ Thị Ngọc Bích", "family": "Đỗ", "given": ["Thị", "Ngọc", "Bích"]}],
        "gender": "female",
        "birthDate": "1988-02-29",
        **changes,
    }


def covid(id: str, day: str | None, number: int, **changes: Any) -> Json:
    """Return a dose of Comirnaty for Patient `id`."""
    given = {
        "vaccineCode": COMIRNATY,
        "occurrenceDateTime": day,
        "protocolApplied": [protocol(COVID_19, number, 2)],
        **changes,
    }
    return {name: content for name, content in dose(f"Patient/{id}", **given).items() if content is not None}


def protocol(disease: str, number: int, of: int) -> Json:
    return {
        "targetDisease": [{"coding": [{"system": SCT, "code": disease}]}],
        "doseNumberPositiveInt": number,
        "seriesDosesPositiveInt": of,
    }


async def recorded(client: httpx.AsyncClient, patient: Json, *doses: Json) -> str:
    """Store a person with doses, which refer to nobody yet, and return the id."""
    rows = [entry("PUT", f"Patient/{patient['id']}", patient)]
    rows += [entry("POST", "Immunization", each) for each in doses]
    answer = await client.post("/fhir", json=bundle("transaction", *rows))
    assert answer.status_code == 200, answer.text
    return str(patient["id"])


async def vaccinated(client: httpx.AsyncClient) -> tuple[str, str]:
    """Store somebody with two doses and return the id and the citizen number."""
    id, number = uuid.uuid4().hex, f"001188{uuid.uuid4().int % 1_000_000:06}"
    await recorded(client, person(id, number), covid(id, "2021-08-14", 1), covid(id, "2021-09-11", 2))
    return id, number


async def issue(client: httpx.AsyncClient, id: str, **values: str) -> httpx.Response:
    """Ask for a certificate with these codes as parameters."""
    rows = [{"name": name, "valueCode": value} for name, value in values.items()]
    body = {"resourceType": "Parameters", "parameter": rows}
    return await client.post(f"/fhir/Patient/{id}/$issue-certificate", json=body if rows else None)


async def issued(client: httpx.AsyncClient, id: str) -> dict[str, str]:
    """Have a certificate issued and return identifier, content, expires and document."""
    answer = await issue(client, id, format="hc1")
    assert answer.status_code == 200, answer.text
    return {row["name"]: value(row) for row in answer.json()["parameter"]}


def value(row: Json) -> Any:
    [found] = [row[name] for name in row if name.startswith("value")]
    return found.get("reference", found) if isinstance(found, dict) else found
