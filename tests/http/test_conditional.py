"""Conditional create, read, update and delete; updates that change nothing.

https://hl7.org/fhir/R4/http.html#ccreate · #cond-update · #3.1.0.7.1 · #cread
"""

import asyncio
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, serving

FHIR = "/fhir"
CCCD = "http://fhir.hl7.org.vn/core/sid/cccd"
_numbers = count(1)


def person(**changes: Any) -> tuple[dict[str, Any], str]:
    """Return a Patient with an identifier of its own, and the condition that finds it."""
    value = f"001225{next(_numbers):06d}"
    return {**PATIENT, "identifier": [{"system": CCCD, "value": value}], **changes}, f"identifier={CCCD}|{value}"


async def how_many(client: httpx.AsyncClient, condition: str, type: str = "Patient") -> int:
    answer = await client.get(f"{FHIR}/{type}?{condition}&_summary=count")
    return int(answer.json()["total"])


async def create(client: httpx.AsyncClient, resource: dict[str, Any], condition: str) -> httpx.Response:
    return await client.post(f"{FHIR}/{resource['resourceType']}", json=resource, headers={"if-none-exist": condition})


async def test_a_conditional_create_stores_once_and_then_answers_with_what_is_there(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    first = await create(client, resource, condition)
    second = await create(client, {**resource, "gender": "female"}, f"{FHIR}/Patient?{condition}")
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.content == first.content
    assert second.headers["etag"] == 'W/"1"'
    assert second.headers["location"] == first.headers["location"]


def _conditions(resource: dict[str, Any], condition: str) -> list[str]:
    value = resource["identifier"][0]["value"]
    return [condition, f"identifier={value}", f"{condition}&birthdate=ge2025-01-01", f"{condition}&gender=male"]


@pytest.mark.parametrize("number", range(4), ids=["identifier", "without system", "with a range", "two parameters"])
async def test_of_twenty_parallel_conditional_creates_one_stores(client: httpx.AsyncClient, number: int) -> None:
    for _ in range(3):
        resource, condition = person()
        asked = _conditions(resource, condition)[number]
        answers = await asyncio.gather(*(create(client, resource, asked) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert await how_many(client, condition) == 1


async def test_the_race_is_decided_however_the_condition_is_written(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    other = f"gender=male&{condition.replace('|', '%7C')}"
    answers = await asyncio.gather(
        *(create(client, resource, [f"{condition}&gender=male", other][number % 2]) for number in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]


async def test_the_claim_survives_an_update_that_keeps_the_identifier(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    id = (await create(client, resource, condition)).json()["id"]
    await client.put(f"{FHIR}/Patient/{id}", json={**resource, "id": id, "active": True})
    answers = await asyncio.gather(*(create(client, resource, condition) for _ in range(5)))
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {(200, id)}


@pytest.mark.parametrize("how", ["changed", "deleted"])
@pytest.mark.parametrize("number", range(2), ids=["exact", "digest"])
async def test_the_claim_ends_with_the_identifier(client: httpx.AsyncClient, how: str, number: int) -> None:
    resource, condition = person()
    asked = _conditions(resource, condition)[number]
    id = (await create(client, resource, asked)).json()["id"]
    if how == "changed":
        await client.put(f"{FHIR}/Patient/{id}", json={**person()[0], "id": id})
    else:
        await client.delete(f"{FHIR}/Patient/{id}")
    assert (await create(client, resource, asked)).status_code == 201


async def test_a_condition_that_its_own_resource_does_not_satisfy_claims_nothing_for_good(
    client: httpx.AsyncClient,
) -> None:
    _, condition = person()
    resource, _ = person()
    for asked in (condition, f"{condition}&birthdate=ge2020"):
        assert [(await create(client, resource, asked)).status_code for _ in range(2)] == [201, 201]


@pytest.mark.parametrize("system", ["http://example.org/ids?of=ward", "http://example.org/Patient?"])
async def test_a_question_mark_in_a_value_is_part_of_the_condition(client: httpx.AsyncClient, system: str) -> None:
    resource, _ = person()
    resource["identifier"][0]["system"] = system
    value = resource["identifier"][0]["value"]
    statuses = []
    for condition in (f"identifier={system}|{value}", f"Patient?identifier={system}|{value}"):
        statuses.append((await create(client, resource, condition)).status_code)
    assert statuses == [201, 200]


async def test_a_condition_in_plain_utf_8_finds_what_is_there(client: httpx.AsyncClient) -> None:
    resource, condition = person(name=[{"text": "Đặng Thị Ánh Tuyết"}])
    asked = {b"if-none-exist": f"{condition}&name=Đặng Thị Ánh".encode()}
    answers = [await client.post(f"{FHIR}/Patient", json=resource, headers=asked) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]


async def test_several_matches_are_refused(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    for _ in range(2):
        assert (await client.post(f"{FHIR}/Patient", json=resource)).status_code == 201
    answers = [
        await create(client, resource, condition),
        await client.put(f"{FHIR}/Patient?{condition}", json=resource),
        await client.delete(f"{FHIR}/Patient?{condition}"),
    ]
    assert [answer.status_code for answer in answers] == [412] * 3
    assert all(answer.json()["issue"][0]["code"] == "conflict" for answer in answers)
    assert await how_many(client, condition) == 2


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("", "condition"),
        ("nope=1", "nope"),
        ("_count=1", "_count"),
        ("_sort=name", "_sort"),
        ("birthdate=yesterday", "birthdate"),
        ("_pretty=true", "condition"),
    ],
)
async def test_a_condition_that_chooses_nothing_is_refused(
    client: httpx.AsyncClient, condition: str, text: str
) -> None:
    lenient = {"prefer": "handling=lenient"}
    answers = [
        await client.post(f"{FHIR}/Patient", json=PATIENT, headers={**lenient, "if-none-exist": condition}),
        await client.put(f"{FHIR}/Patient?{condition}", json=PATIENT, headers=lenient),
        await client.delete(f"{FHIR}/Patient?{condition}", headers=lenient),
    ]
    assert [answer.status_code for answer in answers] == [400] * 3
    assert all(text in answer.text for answer in answers)


async def test_a_conditional_update_creates_then_updates(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    url = f"{FHIR}/Patient?{condition}"
    first = await client.put(url, json=resource)
    assert (first.status_code, first.headers["etag"]) == (201, 'W/"1"')
    second = await client.put(url, json={**resource, "active": True})
    assert (second.status_code, second.headers["etag"], second.json()["id"]) == (200, 'W/"2"', first.json()["id"])
    assert second.headers["location"].endswith(f"/Patient/{first.json()['id']}/_history/2")


async def test_parallel_conditional_updates_make_one_resource(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    answers = await asyncio.gather(
        *(
            client.put(f"{FHIR}/Patient?{condition}", json={**resource, "multipleBirthInteger": number})
            for number in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert sorted(answer.headers["etag"] for answer in answers) == [f'W/"{n}"' for n in range(1, 7)]
    assert await how_many(client, condition) == 1


async def test_a_conditional_update_minds_the_id(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    url = f"{FHIR}/Patient?{condition}"
    named = f"cu-{next(_numbers)}"
    assert (await client.put(url, json={**resource, "id": named})).headers["location"].endswith(f"{named}/_history/1")
    assert (await client.put(url, json={**resource, "id": "another"})).status_code == 400
    elsewhere, other = person(id=named)
    assert (await client.put(f"{FHIR}/Patient?{other}", json=elsewhere)).status_code == 409
    await client.delete(f"{FHIR}/Patient/{named}")
    again = await client.put(url, json={**resource, "id": named})
    assert (again.status_code, again.headers["etag"]) == (201, 'W/"3"')


async def test_a_conditional_update_minds_the_version(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    url = f"{FHIR}/Patient?{condition}"
    changed = {**resource, "active": True}
    assert (await client.put(url, json=resource, headers={"if-match": 'W/"1"'})).status_code == 412
    assert (await client.put(url, json=resource, headers={"if-none-match": "*"})).status_code == 201
    assert (await client.put(url, json=changed, headers={"if-none-match": "*"})).status_code == 412
    assert (await client.put(url, json=changed, headers={"if-match": 'W/"1"'})).status_code == 200


async def test_a_conditional_delete_removes_its_only_match(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    id = (await client.post(f"{FHIR}/Patient", json=resource)).json()["id"]
    first = await client.delete(f"{FHIR}/Patient?{condition}")
    assert (first.status_code, first.headers["etag"]) == (204, 'W/"2"')
    assert (await client.delete(f"{FHIR}/Patient?{condition}")).status_code == 204
    assert (await client.get(f"{FHIR}/Patient/{id}")).status_code == 410


@pytest.mark.parametrize("way", ["header", "batch", "transaction"])
async def test_a_conditional_delete_minds_the_version(client: httpx.AsyncClient, way: str) -> None:
    resource, condition = person()
    url = (await client.post(f"{FHIR}/Patient", json=resource)).headers["location"].partition("/_history")[0]

    async def delete(version: str) -> int:
        if way == "header":
            return (await client.delete(f"{FHIR}/Patient?{condition}", headers={"if-match": version})).status_code
        asked = {"method": "DELETE", "url": f"Patient?{condition}", "ifMatch": version}
        body = {"resourceType": "Bundle", "type": way, "entry": [{"request": asked}]}
        answer = await client.post(FHIR, json=body)
        row = answer.json()["entry"][0]["response"] if answer.status_code == 200 else {}
        return int(row.get("status", str(answer.status_code)).partition(" ")[0])

    assert await delete('W/"2"') == 412
    assert (await client.get(url)).headers["etag"] == 'W/"1"'
    assert await delete('W/"1"') == 204
    assert await delete('W/"1"') == 412  # there is nothing of that version any more
    assert (await client.get(url)).status_code == 410


async def test_a_put_with_if_none_match_only_creates(client: httpx.AsyncClient) -> None:
    id = f"only-new-{next(_numbers)}"
    url, body, new = f"{FHIR}/Patient/{id}", {**PATIENT, "id": id}, {"if-none-match": "*"}
    assert (await client.put(url, json=body, headers=new)).status_code == 201
    assert (await client.put(url, json=body, headers=new)).status_code == 412
    assert (await client.put(url, json=body, headers={"if-none-match": 'W/"1"'})).status_code == 400
    await client.delete(url)
    assert (await client.put(url, json=body, headers=new)).status_code == 201


READS = [
    ({"if-none-match": 'W/"1"'}, 304),
    ({"if-none-match": '"7", "1"'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": 'W/"2"'}, 200),
    ({"if-none-match": "nonsense"}, 200),
    ({"if-modified-since": "+0"}, 304),
    ({"if-modified-since": "+60"}, 304),
    ({"if-modified-since": "-60"}, 200),
    ({"if-modified-since": "yesterday"}, 200),
    ({"if-none-match": 'W/"2"', "if-modified-since": "+60"}, 200),
    ({"if-none-match": 'W/"1"', "if-modified-since": "-60"}, 304),
]


@pytest.mark.parametrize(("headers", "status"), READS, ids=[str(row[0]) for row in READS])
async def test_a_read_is_answered_in_full_only_when_there_is_news(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    made = await client.post(f"{FHIR}/Patient", json=PATIENT)
    modified = parsedate_to_datetime(made.headers["last-modified"])
    if (since := headers.get("if-modified-since", "")) and since[0] in "+-":
        moment = format_datetime(modified + timedelta(seconds=int(since)), usegmt=True)
        headers = {**headers, "if-modified-since": moment}
    answer = await client.get(f"{FHIR}/Patient/{made.json()['id']}", headers=headers)
    assert answer.status_code == status
    assert (answer.content == b"") == (status == 304)
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == made.headers["last-modified"]


async def test_what_is_deleted_is_gone_whatever_the_reader_has(client: httpx.AsyncClient) -> None:
    id = (await client.post(f"{FHIR}/Patient", json=PATIENT)).json()["id"]
    await client.delete(f"{FHIR}/Patient/{id}")
    assert (await client.get(f"{FHIR}/Patient/{id}", headers={"if-none-match": 'W/"1"'})).status_code == 410


async def test_an_update_that_changes_nothing_makes_no_version(client: httpx.AsyncClient) -> None:
    made = (await client.post(f"{FHIR}/Patient", json=PATIENT)).json()
    url = f"{FHIR}/Patient/{made['id']}"
    for body in (made, {**PATIENT, "id": made["id"]}, {**made, "meta": {"versionId": "9"}}):
        answer = await client.put(url, json=body)
        assert (answer.status_code, answer.headers["etag"], answer.json()) == (200, 'W/"1"', made)
    assert (await client.put(url, json=made, headers={"if-match": 'W/"2"'})).status_code == 412
    tagged = {**made, "meta": {"tag": [{"code": "x"}]}}
    assert (await client.put(url, json=tagged)).headers["etag"] == 'W/"2"'
    digits = dose(f"Patient/{made['id']}", id=f"d-{made['id']}")
    for text, tag in (('"value": 1.0', 'W/"1"'), ('"value": 1.00', 'W/"2"'), ('"value": 1.00', 'W/"2"')):
        body = httpx.Request("PUT", "http://x", json=digits).content.replace(b'"value":1', text.encode())
        answer = await client.put(
            f"{FHIR}/Immunization/{digits['id']}", content=body, headers={"content-type": "application/fhir+json"}
        )
        assert answer.headers["etag"] == tag


async def test_settings_let_identical_updates_make_versions_and_deletes_take_several(
    mongodb_uri: str, database: str
) -> None:
    async with serving(mongodb_uri, database, identical_update=True, max_delete=3) as client:
        resource, condition = person()
        made = [(await client.post(f"{FHIR}/Patient", json=resource)).json() for _ in range(3)]
        same = await client.put(f"{FHIR}/Patient/{made[0]['id']}", json=made[0])
        assert same.headers["etag"] == 'W/"2"'
        row = (await client.get(f"{FHIR}/metadata")).json()["rest"][0]["resource"][0]
        assert row["conditionalDelete"] == "multiple"
        assert (await client.delete(f"{FHIR}/Patient?{condition}")).status_code == 204
        assert await how_many(client, condition) == 0
        for _ in range(4):
            await client.post(f"{FHIR}/Patient", json=resource)
        assert (await client.delete(f"{FHIR}/Patient?{condition}")).status_code == 412
        assert await how_many(client, condition) == 4


async def test_the_capability_statement_says_what_is_conditional(client: httpx.AsyncClient) -> None:
    rows = (await client.get(f"{FHIR}/metadata")).json()["rest"][0]["resource"]
    said = {
        (row["conditionalCreate"], row["conditionalRead"], row["conditionalUpdate"], row["conditionalDelete"])
        for row in rows
    }
    assert said == {(True, "full-support", True, "single")}


async def test_entries_of_a_batch_carry_the_conditions_of_headers(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    made = (await client.post(f"{FHIR}/Patient", json=resource)).json()
    url = f"Patient/{made['id']}"
    requests = [
        {"method": "POST", "url": "Patient", "ifNoneExist": condition},
        {"method": "PUT", "url": url, "ifNoneMatch": "*"},
        {"method": "PUT", "url": url, "ifMatch": 'W/"1"'},
        {"method": "GET", "url": url, "ifNoneMatch": 'W/"1"'},
        {"method": "GET", "url": url, "ifModifiedSince": made["meta"]["lastUpdated"]},
        {"method": "GET", "url": url, "ifModifiedSince": "2020-01-01T00:00:00Z"},
    ]
    body = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": asked} for asked in requests]}
    for entry in body["entry"][:3]:  # type: ignore[index]
        entry["resource"] = made  # type: ignore[index]
    rows = (await client.post(FHIR, json=body)).json()["entry"]
    statuses = [row["response"]["status"] for row in rows]
    assert statuses == ["200 OK", "412", "200 OK", "304 Not Modified", "304 Not Modified", "200 OK"]
    deleted = {"resourceType": "Bundle", "type": "batch", "entry": []}
    deleted["entry"] = [{"request": {"method": "DELETE", "url": f"Patient?{condition}"}}]  # type: ignore[assignment]
    assert (await client.post(FHIR, json=deleted)).json()["entry"][0]["response"]["status"] == "204 No Content"
    assert await how_many(client, condition) == 0


async def test_a_condition_by_meaning_asks_the_value_sets_that_are_stored(client: httpx.AsyncClient) -> None:
    # Beyond what is held in memory: only the terminology service knows all of its codes.
    rows = [{"code": f"B{at}", "display": f"A batch of a kind that has a long name {at}"} for at in range(5000)]
    kinds = {
        "resourceType": "CodeSystem",
        "id": "kinds",
        "url": "http://example.vn/kinds",
        "status": "active",
        "content": "complete",
        "concept": rows,
    }
    assert (await client.put("/fhir/CodeSystem/kinds", json=kinds)).status_code == 201
    given = {
        "resourceType": "Medication",
        "code": {"coding": [{"system": "http://example.vn/kinds", "code": "B7"}]},
    }
    condition = f"code:in={quote('http://example.vn/kinds?fhir_vs=isa/B7', safe='')}"
    headers = {"if-none-exist": condition}
    answers = [await client.post("/fhir/Medication", json=given, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200], answers[0].text
    again = {"resource": given, "request": {"method": "POST", "url": "Medication", "ifNoneExist": condition}}
    answer = await client.post("/fhir", json=bundle("transaction", again))
    assert answer.json()["entry"][0]["response"]["status"].startswith("200"), answer.text
