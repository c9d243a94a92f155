"""batch and transaction.

https://hl7.org/fhir/R4/http.html#transaction
"""

from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, entry

CHILD = "urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1a01"


async def post(client: httpx.AsyncClient, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await client.post("/fhir", json=body, headers=headers)


async def test_links_between_entries_become_the_new_ids(client: httpx.AsyncClient) -> None:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{CHILD}">con</a></div>'
    given = dose(
        CHILD, text={"status": "generated", "div": div}, identifier=[{"system": "urn:ietf:rfc:3986", "value": CHILD}]
    )
    answer = await post(
        client,
        bundle("transaction", entry("POST", "Immunization", given), entry("POST", "Patient", PATIENT, fullUrl=CHILD)),
    )
    assert answer.status_code == 200, answer.text
    locations = [row["response"]["location"] for row in answer.json()["entry"]]
    stored = (await client.get(f"/fhir/{locations[0]}")).json()
    patient = "/".join(locations[1].split("/")[:2])
    assert stored["patient"]["reference"] == patient
    assert f'href="{patient}"' in stored["text"]["div"]
    assert stored["identifier"][0]["value"] == CHILD  # an identifier is a string, not a link
    assert answer.json()["type"] == "transaction-response"


async def test_entries_are_performed_in_the_order_of_the_specification(client: httpx.AsyncClient) -> None:
    await client.put("/fhir/Patient/old", json={**PATIENT, "id": "old"})
    answer = await post(
        client,
        bundle(
            "transaction",
            entry("GET", "Patient/new"),
            entry("PUT", "Patient/new", {**PATIENT, "id": "new"}),
            entry("DELETE", "Patient/old"),
        ),
    )
    assert [row["response"]["status"] for row in answer.json()["entry"]] == ["200 OK", "201 Created", "204 No Content"]
    assert answer.json()["entry"][0]["resource"]["id"] == "new"
    assert (await client.get("/fhir/Patient/old")).status_code == 410


BAD = [
    ([entry("PUT", "Patient/x", {**PATIENT, "id": "x"})] * 2, 400, "Bundle.entry[1]"),
    ([entry("DELETE", "Patient/x"), entry("PUT", "Patient/x", {**PATIENT, "id": "x"})], 400, "Bundle.entry[1]"),
    ([entry("POST", "Patient", PATIENT, fullUrl=CHILD)] * 2, 400, "Bundle.entry[1]"),
    ([entry("POST", "Patient", PATIENT), entry("GET", "Patient/missing")], 404, "Bundle.entry[1].request"),
    ([entry("POST", "Patient", PATIENT), entry("GET", "Patient?nope=1")], 400, "Bundle.entry[1].request"),
    (
        [entry("POST", "Patient", PATIENT), entry("POST", "Patient/x/$issue-certificate")],
        400,
        "Bundle.entry[1].request",
    ),
    ([entry("POST", "Patient", PATIENT), {"resource": PATIENT}], 400, "Bundle.entry[1].request"),
    ([entry("POST", "Patient", PATIENT), "text"], 400, "Bundle.entry[1].request"),
    (
        [entry("POST", "Patient", PATIENT), entry("POST", "http://other.example/Patient", PATIENT)],
        400,
        "Bundle.entry[1].request",
    ),
    ([entry("POST", "Patient", PATIENT), entry("POST", "", bundle("batch"))], 400, "Bundle.entry[1].request"),
    (
        [entry("POST", "Patient", PATIENT), entry("PUT", "Patient/y", {**PATIENT, "id": "z"})],
        422,
        "Bundle.entry[1].resource",
    ),
    (
        [
            entry("POST", "Patient", PATIENT),
            {"resource": {**PATIENT, "id": "y"}, "request": {"method": "PUT", "url": "Patient/y", "ifMatch": 'W/"7"'}},
        ],
        412,
        "Bundle.entry[1].request",
    ),
]


@pytest.mark.parametrize(("entries", "status", "place"), BAD, ids=[str(number) for number in range(len(BAD))])
async def test_one_bad_entry_fails_the_whole_transaction(
    client: httpx.AsyncClient, entries: list[Any], status: int, place: str
) -> None:
    before = (await client.get("/fhir/Patient?_summary=count")).json()["total"]
    answer = await post(client, bundle("transaction", *entries))
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith(place)
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == before


async def test_each_entry_of_a_batch_stands_alone(client: httpx.AsyncClient) -> None:
    answer = await post(
        client,
        bundle(
            "batch",
            entry("POST", "Patient", PATIENT),
            entry("POST", "Patient", {**PATIENT, "gender": "M"}),
            entry("GET", "Patient/missing"),
            {"request": {}},
        ),
    )
    rows = [row["response"] for row in answer.json()["entry"]]
    assert [row["status"] for row in rows] == ["201 Created", "422", "404", "400"]
    assert rows[1]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource.gender"]


async def test_representation_is_returned_when_asked_for(client: httpx.AsyncClient) -> None:
    body = bundle("transaction", entry("POST", "Patient", PATIENT))
    assert "resource" not in (await post(client, body)).json()["entry"][0]
    assert (await post(client, body, prefer="return=representation")).json()["entry"][0]["resource"]["gender"] == "male"


async def test_a_bundle_with_too_many_entries_is_refused(client: httpx.AsyncClient) -> None:
    answer = await post(client, bundle("batch", *[entry("GET", "Patient/x")] * 1001))
    assert answer.status_code == 413


@pytest.mark.parametrize("type", ["batch", "transaction"])
async def test_the_answers_in_a_bundle_are_bounded_together(client: httpx.AsyncClient, type: str) -> None:
    large = {"resourceType": "Binary", "contentType": "image/png", "data": "AAAA" * (3 * 1024 * 1024)}
    id = (await client.post("/fhir/Binary", json=large)).json()["id"]
    reads = [entry("GET", f"Binary/{id}") for _ in range(7)]
    body = bundle(type, *reads, entry("POST", "Patient", {**PATIENT, "language": "vi"}))
    before = (await client.get("/fhir/Patient?_summary=count")).json()["total"]
    answer = await client.post("/fhir", json=body)
    after = (await client.get("/fhir/Patient?_summary=count")).json()["total"]
    if type == "transaction":
        [issue] = answer.json()["issue"]
        assert (answer.status_code, issue["code"], issue["expression"]) == (
            422,
            "too-costly",
            ["Bundle.entry[5].request"],
        )
        assert after == before
        return
    responses = [row["response"] for row in answer.json()["entry"]]
    statuses = sorted(response["status"] for response in responses)
    assert statuses == ["200 OK"] * 5 + ["201 Created"] + ["422"] * 2
    issue = next(response for response in responses if response["status"] == "422")["outcome"]["issue"][0]
    assert "64 MiB" in issue["diagnostics"]
    assert after == before + 1
