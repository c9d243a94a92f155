"""What an operator decides: whether references must lead somewhere, whether clients may choose ids, how much at once.

docs/settings.md · https://hl7.org/fhir/R4/http.html#upsert
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, entry, serving

CHILD = "urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1a01"


@pytest.fixture
async def strict(mongodb_uri: str, database: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that enforces references and gives ids itself."""
    async with serving(mongodb_uri, database, references="enforce", update_create=False, max_entries=5) as client:
        yield client


async def test_a_reference_to_nothing_is_refused_when_references_are_enforced(strict: httpx.AsyncClient) -> None:
    answer = await strict.post("/fhir/Immunization", json=dose("Patient/nobody"))
    assert answer.status_code == 422
    [issue] = answer.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("not-found", ["Immunization.patient"])
    assert "Patient/nobody" in issue["diagnostics"]
    assert (await strict.get("/fhir/Immunization?_summary=count")).json()["total"] == 0


async def test_a_reference_to_nothing_is_stored_when_they_are_not(client: httpx.AsyncClient) -> None:
    assert (await client.post("/fhir/Immunization", json=dose("Patient/nobody"))).status_code == 201


async def test_a_reference_leads_to_what_is_stored_or_comes_along(strict: httpx.AsyncClient) -> None:
    id = (await strict.post("/fhir/Patient", json=PATIENT)).json()["id"]
    assert (await strict.post("/fhir/Immunization", json=dose(f"Patient/{id}"))).status_code == 201
    absolute = dose(f"{strict.base_url}/fhir/Patient/{id}")
    assert (await strict.post("/fhir/Immunization", json=absolute)).status_code == 201
    both = bundle(
        "transaction",
        entry("POST", "Immunization", dose(CHILD)),
        entry("POST", "Patient", PATIENT, fullUrl=CHILD),
    )
    assert (await strict.post("/fhir", json=both)).status_code == 200


async def test_a_urn_leads_to_something_within_its_transaction_only(
    strict: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    other = "urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1a02"
    lost = bundle(
        "transaction", entry("POST", "Patient", PATIENT, fullUrl=CHILD), entry("POST", "Immunization", dose(other))
    )
    answer = await strict.post("/fhir", json=lost)
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["Bundle.entry[1].resource.patient"])
    assert "fullUrl" in answer.json()["issue"][0]["diagnostics"]
    answer = await strict.post("/fhir/Immunization", json=dose(CHILD))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["Immunization.patient"])
    kept = bundle("collection", {"fullUrl": CHILD, "resource": PATIENT}, {"fullUrl": other, "resource": dose(CHILD)})
    assert (await strict.post("/fhir/Bundle", json=kept)).status_code == 201
    assert (await client.post("/fhir/Immunization", json=dose(CHILD))).status_code == 201  # not enforced


REFERENCES: list[tuple[dict[str, Any], int]] = [
    (dose("Patient/nobody"), 422),
    (dose("https://elsewhere.example/fhir/Patient/1"), 201),  # another server's; nobody here can tell
    ({**dose("x"), "patient": {"identifier": {"system": "urn:x", "value": "1"}}}, 201),
    ({**dose("x"), "patient": {"display": "Nguyễn Minh An"}}, 201),
    ({**dose("#child"), "contained": [{**PATIENT, "id": "child"}]}, 201),
    ({**dose("x"), "patient": {"display": "?"}, "performer": [{"actor": {"reference": "Practitioner/no"}}]}, 422),
]


@pytest.mark.parametrize(("immunization", "status"), REFERENCES, ids=range(len(REFERENCES)))
async def test_only_references_that_this_server_can_judge_are_judged(
    strict: httpx.AsyncClient, immunization: dict[str, Any], status: int
) -> None:
    answer = await strict.post("/fhir/Immunization", json=immunization)
    assert answer.status_code == status, answer.text


async def test_a_transaction_with_one_reference_to_nothing_stores_nothing(strict: httpx.AsyncClient) -> None:
    body = bundle("transaction", entry("POST", "Patient", PATIENT), entry("POST", "Immunization", dose("Patient/no")))
    answer = await strict.post("/fhir", json=body)
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (
        422,
        ["Bundle.entry[1].resource.patient"],
    )
    assert (await strict.get("/fhir/Patient?_summary=count")).json()["total"] == 0


async def test_what_is_deleted_is_referred_to_no_more(strict: httpx.AsyncClient) -> None:
    id = (await strict.post("/fhir/Patient", json=PATIENT)).json()["id"]
    await strict.delete(f"/fhir/Patient/{id}")
    assert (await strict.post("/fhir/Immunization", json=dose(f"Patient/{id}"))).status_code == 422


async def test_a_client_chooses_no_id_when_the_server_gives_them(strict: httpx.AsyncClient) -> None:
    put = {**PATIENT, "id": "mine"}
    answer = await strict.put("/fhir/Patient/mine", json=put)
    assert (answer.status_code, "POST Patient" in answer.json()["issue"][0]["diagnostics"]) == (405, True)
    inside = await strict.post("/fhir", json=bundle("transaction", entry("PUT", "Patient/mine", put)))
    assert inside.status_code == 405
    assert (await strict.get("/fhir/Patient/mine")).status_code == 404
    id = (await strict.post("/fhir/Patient", json=PATIENT)).json()["id"]
    changed = await strict.put(f"/fhir/Patient/{id}", json={**PATIENT, "id": id, "gender": "female"})
    assert changed.status_code == 200
    statement = (await strict.get("/fhir/metadata")).json()["rest"][0]["resource"]
    assert {row["updateCreate"] for row in statement} == {False}
    assert all("enforced" in row["referencePolicy"] for row in statement)


async def test_a_bundle_has_no_more_entries_than_the_operator_allows(strict: httpx.AsyncClient) -> None:
    rows = [entry("GET", "Patient/x")] * 6
    assert (await strict.post("/fhir", json=bundle("batch", *rows))).status_code == 413
    assert (await strict.post("/fhir", json=bundle("batch", *rows[:5]))).status_code == 200
