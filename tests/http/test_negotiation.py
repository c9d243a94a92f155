"""In which form an answer comes: media type, part of a resource, date; and what /metadata says in its modes.

https://hl7.org/fhir/R4/http.html#mime-type · https://hl7.org/fhir/R4/http.html#parameters · #capabilities
"""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.http.serving import JSON, PATIENT, bundle, entry

FHIR = "application/fhir+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ACCEPTED = [
    (None, "", FHIR),
    ("", "", FHIR),
    ("*/*", "", FHIR),
    (BROWSER, "", FHIR),
    ("application/json", "", "application/json"),
    ("text/json", "", "text/json"),
    ("text/*", "", "text/json"),
    ("application/*", "", FHIR),
    ("application/json, text/plain, */*", "", FHIR),  # of equals FHIR's own
    ("application/json, */*;q=0.1", "", "application/json"),
    ("application/fhir+json;q=0.2, application/json;q=0.9", "", "application/json"),
    ("application/fhir+json;q=0, */*", "", "application/json"),
    ("application/fhir+xml, application/fhir+json;q=0.5", "", FHIR),
    ("application/fhir+json; fhirVersion=4.0", "", FHIR),
    ('application/fhir+json; fhirVersion="4.0.1"; charset=utf-8', "", FHIR),
    ("application/fhir+json; fhirVersion=3.0, application/fhir+json; fhirVersion=4.0; q=0.1", "", FHIR),
    ("application/fhir+json;q=nonsense", "", FHIR),
    ("application/json+fhir", "", "application/json+fhir"),
    ("text/html", "json", FHIR),
    ("application/json", "application/fhir%2Bjson", FHIR),
    ("application/json", "application/fhir+json", FHIR),
    ("application/fhir+json;q=0", "", None),
    ("*/*;q=0", "", None),
    ("application/fhir+json; fhirVersion=5.0", "", None),
    ("text/html", "", None),
    ("application/fhir+json", "xml", None),
    ("application/fhir+json", "application/fhir+json;fhirVersion=3.0", None),
    (",;,", "", None),
]


@pytest.mark.parametrize(("accept", "format", "expected"), ACCEPTED, ids=[f"{row[0]} {row[1]}" for row in ACCEPTED])
async def test_the_media_type_asked_for_comes_back(
    client: httpx.AsyncClient, accept: str | None, format: str, expected: str | None
) -> None:
    request = client.build_request("GET", f"/fhir/Patient?_count=1{format and f'&_format={format}'}")
    request.headers.pop("accept")
    if accept is not None:
        request.headers["accept"] = accept
    answer = await client.send(request)
    if expected is None:
        assert (answer.status_code, answer.json()["resourceType"]) == (406, "OperationOutcome")
    else:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == f"{expected}; charset=utf-8"


REPEATED = [
    ([("prefer", "return=minimal"), ("prefer", "handling=lenient")], 201, b""),
    ([("prefer", "handling=strict"), ("Prefer", "Return = minimal")], 201, b""),
    ([("prefer", "return=minimal"), ("prefer", "return=representation")], 201, b""),
    ([("accept", "application/fhir+json"), ("accept", "text/html")], 201, b"Patient"),
    ([("accept", "text/html"), ("accept", "*/*;q=0")], 406, b"OperationOutcome"),
]


@pytest.mark.parametrize(("lines", "status", "holds"), REPEATED, ids=[str(row[0]) for row in REPEATED])
async def test_several_lines_of_a_header_are_one_list(
    client: httpx.AsyncClient, lines: list[tuple[str, str]], status: int, holds: bytes
) -> None:
    request = client.build_request("POST", "/fhir/Patient", json=PATIENT)
    kept = [pair for pair in request.headers.multi_items() if pair[0] != "accept"]
    request.headers = httpx.Headers([*kept, *lines])
    answer = await client.send(request)
    assert answer.status_code == status, answer.text
    assert holds in answer.content
    assert bool(answer.content) == bool(holds)


async def test_entity_tags_in_several_lines_are_all_compared(client: httpx.AsyncClient) -> None:
    url = (await client.post("/fhir/Patient", json=PATIENT)).headers["location"].partition("/_history")[0]
    tags = [("if-none-match", 'W/"1"'), ("if-none-match", 'W/"7"')]
    assert (await client.get(url, headers=tags)).status_code == 304


async def test_a_posted_search_says_in_its_form_how_it_is_answered(client: httpx.AsyncClient) -> None:
    url = "/fhir/Patient/_search"
    assert (await client.post(url, data={"_format": "xml", "_count": "1"})).status_code == 406
    assert (await client.post(url, data={"_pretty": "perhaps", "_count": "1"})).status_code == 400
    written = await client.post(url, data={"_pretty": "true", "_format": "json", "_count": "1"})
    assert b"\n  " in written.content


async def test_every_answer_is_dated(client: httpx.AsyncClient) -> None:
    for url in ("/fhir/metadata", "/fhir/Patient/nobody"):
        assert parsedate_to_datetime((await client.get(url)).headers["date"])


WHOLE = {**PATIENT, "text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">-</div>'}}
PARTS = [
    ("_summary=true", {"identifier", "name", "gender", "birthDate"}),
    ("_summary=text", {"text"}),
    ("_summary=data", {"identifier", "name", "gender", "birthDate"}),
    ("_elements=gender,birthDate", {"gender", "birthDate"}),
    ("_elements=Patient.gender", {"gender"}),
]


@pytest.mark.parametrize(("query", "kept"), PARTS, ids=[row[0] for row in PARTS])
async def test_a_part_of_a_resource_is_read(client: httpx.AsyncClient, query: str, kept: set[str]) -> None:
    location = (await client.post("/fhir/Patient", json=WHOLE)).headers["location"]
    url = location.partition("/_history")[0]
    for address in (url, location):
        answer = await client.get(f"{address}?{query}")
        assert answer.status_code == 200, answer.text
        part = answer.json()
        assert part.keys() == {"resourceType", "id", "meta", *kept}
        assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert answer.headers["etag"] == 'W/"1"'
    [row] = (
        await client.post("/fhir", json=bundle("batch", entry("GET", f"{url.partition('/fhir/')[2]}?{query}")))
    ).json()["entry"]
    assert row["resource"].keys() == {"resourceType", "id", "meta", *kept}


@pytest.mark.parametrize("query", ["", "?_summary=false"])
async def test_a_whole_resource_is_read_as_it_is_stored(client: httpx.AsyncClient, query: str) -> None:
    created = await client.post("/fhir/Patient", json=WHOLE)
    assert (await client.get(created.headers["location"] + query)).content == created.content


REFUSED: list[tuple[str, str]] = [
    ("GET", "Patient/{id}?_summary=count"),
    ("GET", "Patient/{id}?_summary=most"),
    ("GET", "Patient/{id}?_elements=colour"),
    ("GET", "Patient/{id}?_elements=name&_summary=true"),
    ("GET", "Patient/{id}?name=a"),
    ("GET", "Patient/{id}/_history/1?name=a"),
    ("GET", "Patient/{id}?_pretty=perhaps"),
    ("PUT", "Patient/{id}?identifier=a"),
    ("PATCH", "Patient/{id}?identifier=a"),
    ("DELETE", "Patient/{id}?identifier=a"),
    ("POST", "Patient?identifier=a"),
    ("POST", "?identifier=a"),
    ("GET", "metadata?mode=some"),
    ("GET", "metadata?name=a"),
    ("GET", "metadata?_summary=count"),
]


@pytest.mark.parametrize(("method", "url"), REFUSED, ids=[" ".join(row) for row in REFUSED])
async def test_a_parameter_that_an_interaction_does_not_know_is_refused(
    client: httpx.AsyncClient, method: str, url: str
) -> None:
    id = (await client.post("/fhir/Patient", json=PATIENT)).json()["id"]
    answer = await client.request(method, f"/fhir/{url.format(id=id)}", json={**PATIENT, "id": id}, headers=JSON)
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome"), answer.text
    assert (await client.get(f"/fhir/Patient/{id}")).headers["etag"] == 'W/"1"'


async def test_an_update_names_its_resource(client: httpx.AsyncClient) -> None:
    id = (await client.post("/fhir/Patient", json=PATIENT)).json()["id"]
    answer = await client.put(f"/fhir/Patient/{id}", json=PATIENT)
    assert answer.status_code == 400
    assert f'"id": "{id}"' in answer.json()["issue"][0]["diagnostics"]
    inside = await client.post("/fhir", json=bundle("transaction", entry("PUT", f"Patient/{id}", PATIENT)))
    assert inside.status_code == 422


async def test_metadata_has_modes(client: httpx.AsyncClient) -> None:
    async def metadata(query: str) -> Any:
        answer = await client.get(f"/fhir/metadata?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    full, normative = await metadata("mode=full"), await metadata("mode=normative")
    assert full == await metadata("")
    by_type = {row["type"]: row for row in normative["rest"][0]["resource"]}
    assert {"Patient", "Observation", "ValueSet"} <= by_type.keys()
    assert "Immunization" not in by_type
    assert not [name for row in by_type.values() for name in row if name.startswith("conditional")]
    terminology = await metadata("mode=terminology")
    assert terminology["resourceType"] == "TerminologyCapabilities"
    assert (await metadata("_summary=true"))["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert (await metadata("_elements=format")).keys() >= {"format", "status", "fhirVersion"}
    assert "rest" not in await metadata("_elements=format")
    for each in (normative, terminology):
        answer = await client.post(f"/fhir/{each['resourceType']}/$validate", json=each)
        assert not [row for row in answer.json()["issue"] if row["severity"] in ("error", "fatal")], answer.text
