"""What a client may get wrong: always an OperationOutcome that says what and where; nothing is stored.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.serving import JSON, PATIENT, bundle, dose, entry

VN_PATIENT = "https://fhir.tiemchung.vn/StructureDefinition/vn-imm-patient"
CCCD = "http://fhir.hl7.org.vn/core/sid/cccd"

BODIES = [
    ("/fhir/Patient", b'{"resourceType": "Patient"', 400, "structure", "line 1"),
    ("/fhir/Patient", b"", 400, "invalid", "no body"),
    ("/fhir/Patient", b"[]", 400, "invalid", "resourceType"),
    ("/fhir/Patient", b'"text"', 400, "invalid", "resourceType"),
    ("/fhir/Patient", b'{"resourceType":"Patient","id":"a","id":"b"}', 400, "structure", "twice"),
    ("/fhir/Patient", b'{"resourceType":"Patient","active":NaN}', 400, "structure", "NaN"),
    ("/fhir/Patient", b'{"resourceType":"Patient","name":[{"text":"\xff"}]}', 400, "structure", "UTF-8"),
    ("/fhir/Patient", b'{"resourceType":"Patient","language":"\\ud800"}', 400, "structure", "Unicode"),
    ("/fhir/Patient", b'{"resourceType":"Immunization"}', 400, "invalid", "address says Patient"),
    ("/fhir/Patient", b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "structure", "deep"),
    ("/fhir/Patient", b"[" * 100_000, 400, "structure", "deep"),
    ("/fhir/Nothing", b"{}", 404, "not-found", "Nothing"),
    ("/fhir", b'{"resourceType":"Bundle","type":"document"}', 400, "invalid", "batch or transaction"),
    ("/fhir", b'{"resourceType":"Bundle","type":"batch","entry":{}}', 400, "invalid", "array"),
]


@pytest.mark.parametrize(("path", "body", "status", "code", "said"), BODIES, ids=[row[4] + row[0] for row in BODIES])
async def test_an_unreadable_body_is_refused(
    client: httpx.AsyncClient, path: str, body: bytes, status: int, code: str, said: str
) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    issue = answer.json()["issue"][0]
    assert (answer.status_code, issue["code"]) == (status, code), answer.text
    assert said in issue["diagnostics"]


RESOURCES = [
    ({**PATIENT, "nmae": "x"}, "Patient.nmae"),
    ({**PATIENT, "$where": "1"}, "$where"),
    ({**PATIENT, "a.b": "1"}, "a.b"),
    ({**PATIENT, "gender": "M"}, "Patient.gender"),
    ({**PATIENT, "birthDate": "2025-02-30"}, "Patient.birthDate"),
    ({**PATIENT, "meta": {"profile": [VN_PATIENT]}, "identifier": [{"system": CCCD, "value": "0" * 13}]}, "identifier"),
    (
        {key: value for key, value in dose("Patient/1").items() if key != "occurrenceDateTime"},
        "Immunization.occurrence",
    ),
    ({**dose("Patient/1"), "patient": {"reference": "Organization/1"}}, "Immunization.patient"),
]


@pytest.mark.parametrize(("resource", "place"), RESOURCES, ids=[row[1] for row in RESOURCES])
async def test_an_invalid_resource_is_refused_with_its_place_in_two_languages(
    client: httpx.AsyncClient, resource: dict[str, object], place: str
) -> None:
    type = str(resource["resourceType"])
    before = (await client.get(f"/fhir/{type}?_summary=count")).json()["total"]
    answer = await client.post(f"/fhir/{type}", json=resource, headers={"accept-language": "vi"})
    assert answer.status_code == 422, answer.text
    found = [row for row in answer.json()["issue"] if place in row.get("expression", [""])[0]]
    assert found, answer.text
    assert found[0]["details"]["text"] != found[0]["diagnostics"]
    assert (await client.get(f"/fhir/{type}?_summary=count")).json()["total"] == before


async def test_every_issue_is_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/fhir/Patient", json={**PATIENT, "gender": "M", "birthDate": "12/08/2025", "x": 1})
    assert {row["expression"][0] for row in answer.json()["issue"]} >= {
        "Patient.gender",
        "Patient.birthDate",
        "Patient.x",
    }


async def test_a_body_of_sixty_megabytes_is_refused(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b" " * 1024 * 1024

    try:
        answer = await client.post("/fhir/Patient", content=chunks(), headers=JSON)
    except httpx.TransportError:
        return  # the server closed the connection while the client was still sending
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Patient/..%2f..%2fetc", 404),
        ("GET", "/fhir/Patient/%24where", 400),
        ("GET", "/fhir/Patient/a%00b", 404),
        ("GET", "/fhir/Patient/" + "x" * 65, 404),
        ("GET", "/fhir/Patient/x/_history/0", 404),
        ("GET", "/fhir/Patient/x/_history/1e9", 404),
        ("GET", "/fhir/Patient/nobody", 404),
        ("GET", "/fhir/Patient/x/y/z", 405),
        ("PATCH", "/fhir/Patient/x", 400),
        ("PATCH", "/fhir/Patient", 400),
        ("DELETE", "/fhir/Patient", 400),
        ("DELETE", "/fhir/Patient?nope=x", 400),
        ("POST", "/fhir/Patient/$nothing", 400),
        ("GET", "/fhir/Patient/1/$meta-add", 405),
        ("GET", "/fhir/?name=An", 400),
        ("GET", "/fhir/Patient?" + "&".join("name=x" for _ in range(600)), 400),
    ],
)
async def test_an_impossible_address_is_refused(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path, json=PATIENT if method == "PATCH" else None)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/fhir+xml"}, 415),
        ({"content-type": "application/fhir+json; charset=latin-1"}, 415),
        ({"content-type": "application/fhir+json; fhirVersion=3.0"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
        ({"accept": "application/fhir+xml", **JSON}, 406),
        ({"if-none-exist": "nope=1", **JSON}, 400),
        ({"host": "evil.example", **JSON}, 403),
    ],
    ids=str,
)
async def test_headers_that_cannot_be_served_are_refused(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/fhir/Patient", content=json.dumps(PATIENT), headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_search_that_is_posted_as_json_does_not_find_everything(client: httpx.AsyncClient) -> None:
    answer = await client.post("/fhir/Patient/_search", json={"resourceType": "Parameters"})
    assert answer.status_code == 415
    assert "application/x-www-form-urlencoded" in answer.json()["issue"][0]["diagnostics"]


async def test_the_id_of_the_address_and_of_the_resource_agree(client: httpx.AsyncClient) -> None:
    answer = await client.put("/fhir/Patient/a", json={**PATIENT, "id": "b"})
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, ["id"])


@pytest.mark.parametrize("if_match", ['W/"x"', "*", 'W/"0"', '"1", "2"'])
async def test_an_if_match_that_names_no_version_is_refused(client: httpx.AsyncClient, if_match: str) -> None:
    answer = await client.put("/fhir/Patient/a", json={**PATIENT, "id": "a"}, headers={"if-match": if_match})
    assert answer.status_code == 400


async def test_if_match_on_what_does_not_exist_fails(client: httpx.AsyncClient) -> None:
    answer = await client.put("/fhir/Patient/none", json={**PATIENT, "id": "none"}, headers={"if-match": 'W/"1"'})
    assert answer.status_code == 412


async def test_a_transaction_whose_last_entry_is_bad_stores_nothing(client: httpx.AsyncClient) -> None:
    before = (await client.get("/fhir/Patient?_summary=count")).json()["total"]
    entries = [entry("POST", "Patient", PATIENT) for _ in range(299)]
    answer = await client.post(
        "/fhir", json=bundle("transaction", *entries, entry("POST", "Patient", {**PATIENT, "gender": "M"}))
    )
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[299].resource.gender"]
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == before


@pytest.mark.parametrize("path", ["/fhir/Patient/x", "/certificates/trust-list"])
async def test_a_failure_of_the_server_tells_and_logs_no_content(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError(PATIENT["name"][0]["text"])

    monkeypatch.setattr("fhir_server.web.fhir.dispatch", broken)
    monkeypatch.setattr("fhir_server.web.certificates.dispatch", broken)
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (500, "exception")
    assert "unexpected RuntimeError" in caplog.text
    assert "Nguyễn" not in caplog.text + answer.text
