"""read, vread, create, update, delete and history over HTTP.

https://hl7.org/fhir/R4/http.html
"""

import asyncio
import json
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.http.serving import JSON, PATIENT, dose

FHIR = "/fhir"


async def created(client: httpx.AsyncClient) -> tuple[str, httpx.Response]:
    answer = await client.post(f"{FHIR}/Patient", json=PATIENT)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer


async def test_a_created_resource_comes_back_by_its_location(client: httpx.AsyncClient) -> None:
    id, answer = await created(client)
    assert answer.headers["location"] == f"{client.base_url}/fhir/Patient/{id}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    read = await client.get(f"{FHIR}/Patient/{id}")
    assert read.status_code == 200
    assert read.content == answer.content
    assert read.json() == {**PATIENT, "id": id, "meta": read.json()["meta"]}
    assert read.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert read.json()["meta"]["versionId"] == "1"
    modified = parsedate_to_datetime(read.headers["last-modified"])
    assert modified.isoformat()[:19] == read.json()["meta"]["lastUpdated"][:19]


async def test_each_version_stays_readable(client: httpx.AsyncClient) -> None:
    id, first = await created(client)
    changed = {**PATIENT, "id": id, "gender": "female"}
    second = await client.put(f"{FHIR}/Patient/{id}", json=changed)
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    assert (await client.get(f"{FHIR}/Patient/{id}/_history/1")).content == first.content
    assert (await client.get(f"{FHIR}/Patient/{id}/_history/2")).json()["gender"] == "female"
    assert (await client.get(f"{FHIR}/Patient/{id}/_history/3")).status_code == 404


async def test_an_update_to_an_unknown_id_creates_it(client: httpx.AsyncClient) -> None:
    answer = await client.put(f"{FHIR}/Patient/own-id.1", json={**PATIENT, "id": "own-id.1"})
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"1"')


async def test_a_deleted_resource_is_gone_but_keeps_its_history(client: httpx.AsyncClient) -> None:
    id, _ = await created(client)
    assert (await client.delete(f"{FHIR}/Patient/{id}")).status_code == 204
    assert (await client.delete(f"{FHIR}/Patient/{id}")).status_code == 204
    gone = await client.get(f"{FHIR}/Patient/{id}")
    assert (gone.status_code, gone.json()["issue"][0]["code"]) == (410, "deleted")
    history = (await client.get(f"{FHIR}/Patient/{id}/_history")).json()
    assert [row["request"]["method"] for row in history["entry"]] == ["DELETE", "POST"]
    assert "resource" not in history["entry"][0]
    again = await client.put(f"{FHIR}/Patient/{id}", json={**PATIENT, "id": id})
    assert (again.status_code, again.headers["etag"]) == (201, 'W/"3"')


async def test_history_is_paged_without_loss(client: httpx.AsyncClient) -> None:
    id, _ = await created(client)
    for number in range(6):
        await client.put(f"{FHIR}/Patient/{id}", json={**PATIENT, "id": id, "active": number % 2 == 0})
    url, versions = f"{FHIR}/Patient/{id}/_history?_count=3", []
    while url:
        page = (await client.get(url)).json()
        versions += [row["resource"]["meta"]["versionId"] for row in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert versions == ["7", "6", "5", "4", "3", "2", "1"]


async def test_of_fifty_parallel_updates_with_if_match_one_wins_each_version(client: httpx.AsyncClient) -> None:
    id, _ = await created(client)
    for version in range(1, 4):
        answers = await asyncio.gather(
            *(
                client.put(
                    f"{FHIR}/Patient/{id}",
                    json={**PATIENT, "id": id, "multipleBirthInteger": 100 * version + number},
                    headers={"if-match": f'W/"{version}"'},
                )
                for number in range(50)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 49
        [winner] = [answer for answer in answers if answer.status_code == 200]
        assert (await client.get(f"{FHIR}/Patient/{id}")).content == winner.content


async def test_parallel_updates_without_if_match_each_get_a_version(client: httpx.AsyncClient) -> None:
    id, _ = await created(client)
    answers = await asyncio.gather(
        *(client.put(f"{FHIR}/Patient/{id}", json={**PATIENT, "id": id, "multipleBirthInteger": n}) for n in range(5))
    )
    assert [answer.status_code for answer in answers] == [200] * 5
    assert sorted(answer.headers["etag"] for answer in answers) == [f'W/"{n}"' for n in range(2, 7)]


async def test_decimals_keep_every_digit(client: httpx.AsyncClient) -> None:
    body = json.dumps(dose("Patient/1")).replace('"value": 1,', '"value": 0.500,')
    answer = await client.post(f"{FHIR}/Immunization", content=body, headers=JSON)
    assert b'"value":0.500,' in (await client.get(answer.headers["location"])).content


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ("return=minimal", ""),
        ("return=OperationOutcome", "OperationOutcome"),
        ("return=representation", "Patient"),
        ("respond-async", "Patient"),
        ("return=everything", "Patient"),
    ],
)
async def test_prefer_chooses_what_comes_back(client: httpx.AsyncClient, prefer: str, expected: str) -> None:
    answer = await client.post(f"{FHIR}/Patient", json=PATIENT, headers={"prefer": prefer})
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else "") == expected


async def test_head_is_get_without_the_body(client: httpx.AsyncClient) -> None:
    id, answer = await created(client)
    head = await client.head(f"{FHIR}/Patient/{id}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))


async def test_pretty_writes_lines_and_keeps_digits(client: httpx.AsyncClient) -> None:
    body = json.dumps(dose("Patient/1")).replace('"value": 1,', '"value": 1.50,')
    answer = await client.post(f"{FHIR}/Immunization?_pretty=true", content=body, headers=JSON)
    assert b'\n  "status": "completed"' in answer.content
    assert b'"value": 1.50' in answer.content


@pytest.mark.parametrize("path", ["/", "/nothing", "/fhirx", "/certificates/verify"])
async def test_an_address_outside_of_fhir_says_where_fhir_is(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code in {404, 405}
    assert "/fhir/metadata" in answer.json()["issue"][0]["diagnostics"]


async def test_errors_are_pretty_when_asked(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{FHIR}/Patient/nobody?_pretty=true")
    assert b'\n  "resourceType": "OperationOutcome"' in answer.content


async def test_a_posted_search_may_be_utf8_that_the_client_did_not_encode(client: httpx.AsyncClient) -> None:
    await client.put(f"{FHIR}/Patient/raw", json={**PATIENT, "id": "raw", "name": [{"text": "Đỗ Thị Mơ"}]})
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post(f"{FHIR}/Patient/_search", content="name=Đỗ Thị Mơ".encode(), headers=form)
    assert [row["resource"]["id"] for row in answer.json()["entry"]] == ["raw"]
