"""What the server says that it can do, it can: /metadata is walked and every claim tried.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

import json
from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, entry

Json = dict[str, Any]

OWN = {"Patient", "Immunization", "ImmunizationRecommendation", "Medication", "AdverseEvent"}  # the mission's types
PLAUSIBLE = {
    "token": "a",
    "string": "a",
    "date": "2024-01-01",
    "number": "1",
    "quantity": "1||mg",
    "uri": "http://example.org/a",
    "reference": "a",
}


@pytest.fixture(scope="module")
async def statement(client: httpx.AsyncClient) -> Json:
    answer = await client.get("/fhir/metadata")
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


async def test_the_statement_is_a_valid_capability_statement(client: httpx.AsyncClient, statement: Json) -> None:
    answer = await client.post("/fhir/CapabilityStatement/$validate", json=statement)
    issues = answer.json()["issue"]
    assert [row for row in issues if row["severity"] in ("error", "fatal")] == []
    assert (statement["fhirVersion"], statement["kind"]) == ("4.0.1", "instance")
    assert statement["implementation"]["url"] == f"{client.base_url}/fhir"


async def test_every_type_of_r4_that_can_be_stored_is_there(statement: Json) -> None:
    types = {row["type"] for row in statement["rest"][0]["resource"]}
    assert len(types) == 146
    assert types >= OWN


async def statuses(client: httpx.AsyncClient, *entries: Json) -> list[str]:
    """Return the status of each entry of a batch: the same corridor as a request each, in a tenth of the time."""
    answer = await client.post("/fhir", json=bundle("batch", *entries))
    assert answer.status_code == 200, answer.text
    return [row["response"]["status"][:3] for row in answer.json()["entry"]]


async def test_every_type_does_what_it_claims(client: httpx.AsyncClient, statement: Json) -> None:
    for row in statement["rest"][0]["resource"]:
        type = row["type"]
        assert {each["code"] for each in row["interaction"]} >= {"read", "vread", "create", "update", "search-type"}
        found = await statuses(
            client,
            *(entry("GET", f"{type}/none{more}") for more in ("", "/_history", "/_history/1")),
            entry("DELETE", f"{type}/none"),
            entry("POST", type, {"resourceType": type, "id": "x", "nonsense": 1}),  # read and judged as what it is
            *(entry("GET", url) for url in (type, f"{type}/_history")),
        )
        assert found == ["404", "404", "404", "204", "422", "200", "200"], type


def value(parameter: Json) -> str:
    """Return a plausible value of a search parameter."""
    special = {"_lastUpdated": "2024-01-01", "_id": "a"}
    return special.get(parameter["name"], PLAUSIBLE.get(parameter["type"], "a"))


async def test_every_search_parameter_can_be_searched(client: httpx.AsyncClient, statement: Json) -> None:
    # A batch of searches for each type: the same corridor, and a tenth of the time.
    tried = 0
    for row in statement["rest"][0]["resource"]:
        simple = [each for each in row["searchParam"] if each["type"] not in ("composite", "special")]
        queries = [f"{row['type']}?{each['name']}={value(each)}" for each in simple]
        if row["type"] in OWN:
            queries += [f"{row['type']}?_include={each}" for each in row.get("searchInclude", ())]
            queries += [f"{row['type']}?_revinclude={each}" for each in row.get("searchRevInclude", ())]
            queries += [f"{row['type']}?_sort=-{each['name']}" for each in simple if each["type"] in ("date", "string")]
        answer = await client.post("/fhir", json=bundle("batch", *(entry("GET", query) for query in queries)))
        statuses = {
            query: said["response"]["status"] for query, said in zip(queries, answer.json()["entry"], strict=True)
        }
        assert {query: status for query, status in statuses.items() if status != "200 OK"} == {}
        tried += len(queries)
    assert tried > 2000


async def test_composite_parameters_can_be_searched(client: httpx.AsyncClient, statement: Json) -> None:
    for row in statement["rest"][0]["resource"]:
        for each in row["searchParam"]:
            if each["type"] == "composite":
                answer = await client.get(f"/fhir/{row['type']}?{each['name']}=a")
                # One part only: refused for the number of its parts, not for its name.
                assert answer.status_code == 400, each
                assert each["name"] in answer.json()["issue"][0]["diagnostics"]
                assert "has no search parameter" not in answer.text


async def test_every_operation_exists_where_it_is_claimed(client: httpx.AsyncClient, statement: Json) -> None:
    [rest] = statement["rest"]
    claimed: set[tuple[str | None, str]] = {(None, each["name"]) for each in rest.get("operation", ())}
    claimed |= {(row["type"], each["name"]) for row in rest["resource"] for each in row.get("operation", ())}
    assert {name for _, name in claimed} >= {"validate", "issue-certificate", "immunization-status"}
    for name in sorted({name for _, name in claimed}):
        types = [type for type, each in claimed if each == name]
        addresses = [(f"{type}/${name}" if type else f"${name}", f"{type or 'Patient'}/none/${name}") for type in types]
        flat = [entry("POST", url, {"resourceType": "Parameters"}) for pair in addresses for url in pair]
        answer = await client.post("/fhir", json=bundle("batch", *flat))
        rows = [json.dumps(row["response"]) for row in answer.json()["entry"]]
        for type, *pair in zip(types, rows[::2], rows[1::2], strict=True):
            assert [row for row in pair if "does not exist at this address" not in row], (type, name)
            assert not [row for row in pair if '"status": "5' in row], (type, name)


PATCHES: dict[str, Any] = {
    "application/json-patch+json": [{"op": "add", "path": "/active", "value": True}],
    "application/merge-patch+json": {"active": True},
    "application/fhir+json": {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "add"},
                    {"name": "path", "valueString": "Patient"},
                    {"name": "name", "valueString": "active"},
                    {"name": "value", "valueBoolean": True},
                ],
            }
        ],
    },
}


async def test_every_format_that_is_claimed_is_read_and_written(client: httpx.AsyncClient, statement: Json) -> None:
    for format in statement["format"]:
        assert (await client.get("/fhir/Patient", params={"_format": format})).status_code == 200
    assert set(statement["patchFormat"]) == PATCHES.keys()
    for kind, body in PATCHES.items():
        location = (await client.post("/fhir/Patient", json=PATIENT)).headers["location"]
        url = location.partition("/_history")[0]
        answer = await client.patch(url, content=json.dumps(body), headers={"content-type": kind})
        assert (answer.status_code, answer.json()["active"]) == (200, True), answer.text


async def test_the_limits_that_are_told_are_those_of_the_settings(client: httpx.AsyncClient, statement: Json) -> None:
    told = statement["rest"][0]["documentation"]
    assert "16777216 bytes, 1000 entries" in told
    answer = await client.post("/fhir", json=bundle("batch", *[entry("GET", "Patient")] * 1001))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (413, "too-long")


async def test_batch_and_transaction_exist(client: httpx.AsyncClient, statement: Json) -> None:
    assert {each["code"] for each in statement["rest"][0]["interaction"]} >= {"batch", "transaction"}
    for kind in ("batch", "transaction"):
        answer = await client.post("/fhir", json=bundle(kind, entry("POST", "Patient", PATIENT)))
        assert (answer.status_code, answer.json()["type"]) == (200, f"{kind}-response")


async def test_the_statement_is_kept_by_clients_until_it_changes(client: httpx.AsyncClient) -> None:
    first = await client.get("/fhir/metadata")
    assert "max-age" in first.headers["cache-control"]
    again = await client.get("/fhir/metadata", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/fhir/metadata", headers={"if-none-match": '"x"'})).status_code == 200


async def test_what_is_not_there_of_it_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fhir/metadata/x")).json()["resourceType"] == "OperationOutcome"
    assert (await client.post("/fhir/metadata", json={})).json()["resourceType"] == "OperationOutcome"


async def test_a_conditional_read_is_not_claimed_unless_it_works(client: httpx.AsyncClient, statement: Json) -> None:
    [row] = [row for row in statement["rest"][0]["resource"] if row["type"] == "Patient"]
    created = await client.post("/fhir/Patient", json=PATIENT)
    answer = await client.get(created.headers["location"], headers={"if-none-match": created.headers["etag"]})
    works = answer.status_code == 304
    assert works == (row["conditionalRead"] in ("not-match", "full-support"))
