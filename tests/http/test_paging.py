"""Pages that lose nothing and repeat nothing while others write, and searches that see a change at once.

https://hl7.org/fhir/R4/http.html#paging · https://hl7.org/fhir/R4/search.html#count
"""

import uuid
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest

from fhir_server.store import weighing
from tests.http.serving import PATIENT, bundle, dose, entry

SYSTEM = "http://example.org/batch"


def tagged(tag: str, number: int, **changes: Any) -> dict[str, Any]:
    """Return a Patient of a set of its own."""
    return {
        **PATIENT,
        "id": f"{tag}-{number:02}",
        "meta": {"tag": [{"system": SYSTEM, "code": tag}]},
        "birthDate": f"20{number % 7:02}-01-01",
        **changes,
    }


async def stored(client: httpx.AsyncClient, count: int) -> str:
    """Store `count` Patients and return their tag."""
    tag = uuid.uuid4().hex[:8]
    rows = [entry("PUT", f"Patient/{tag}-{n:02}", tagged(tag, n)) for n in range(count)]
    answer = await client.post("/fhir", json=bundle("transaction", *rows))
    assert answer.status_code == 200, answer.text
    return tag


def link(page: dict[str, Any], relation: str) -> str | None:
    return next((row["url"] for row in page["link"] if row["relation"] == relation), None)


def ids(page: dict[str, Any]) -> list[str]:
    return [row["resource"]["id"] for row in page.get("entry", []) if row["search"]["mode"] == "match"]


@pytest.mark.parametrize("count", [1, 4, 5, 11, 12, 50])
@pytest.mark.parametrize("order", ["", "birthdate", "-birthdate", "_id", "-gender,birthdate", "death-date"])
async def test_the_next_links_walk_everything_exactly_once(client: httpx.AsyncClient, count: int, order: str) -> None:
    tag = await stored(client, 12)
    url: str | None = f"/fhir/Patient?_tag={tag}&_count={count}" + (f"&_sort={order}" if order else "")
    seen: list[str] = []
    pages = 0
    while url:
        page = (await client.get(url)).json()
        assert len(ids(page)) <= count
        seen += ids(page)
        pages += 1
        assert pages <= 12
        url = link(page, "next")
    assert sorted(seen) == [f"{tag}-{n:02}" for n in range(12)]
    assert pages == -(-12 // count)  # no empty page at the end


@pytest.mark.parametrize("order", ["", "&_sort=_id", "&_sort=birthdate"])
async def test_what_nobody_touches_is_seen_exactly_once_while_others_write(
    client: httpx.AsyncClient, order: str
) -> None:
    tag = await stored(client, 24)
    touched = {f"{tag}-{n:02}" for n in (0, 5, 11, 16, 23)}
    url: str | None = f"/fhir/Patient?_tag={tag}&_count=4{order}"
    seen: list[str] = []
    page_number = 0
    while url:
        page = (await client.get(url)).json()
        seen += ids(page)
        url = link(page, "next")
        page_number += 1
        assert page_number < 20
        await client.put(f"/fhir/Patient/{tag}-05", json=tagged(tag, 5, active=page_number % 2 == 0))
        await client.put(f"/fhir/Patient/{tag}-16", json=tagged(tag, 16, active=page_number % 2 == 0))
        await client.put(f"/fhir/Patient/{tag}-{30 + page_number}", json=tagged(tag, 30 + page_number))
        for number in (0, 11, 23):
            await client.delete(f"/fhir/Patient/{tag}-{number:02}")
    untouched = {f"{tag}-{n:02}" for n in range(24)} - touched
    assert sorted(set(seen) & untouched) == sorted(id for id in seen if id in untouched) == sorted(untouched)


async def test_a_page_brings_its_own_includes(client: httpx.AsyncClient) -> None:
    tag = await stored(client, 4)
    for number in range(4):
        given = dose(f"Patient/{tag}-{number:02}", id=f"{tag}-dose-{number}")
        assert (await client.put(f"/fhir/Immunization/{tag}-dose-{number}", json=given)).status_code == 201
    url: str | None = f"/fhir/Patient?_tag={tag}&_count=1&_sort=_id&_revinclude=Immunization:patient"
    for number in range(4):
        assert url
        page = (await client.get(url)).json()
        assert [row["resource"]["id"] for row in page["entry"]] == [f"{tag}-{number:02}", f"{tag}-dose-{number}"]
        url = link(page, "next")
    assert url is None


def cursor(url: str) -> tuple[str, str]:
    """Return the name and the value of a link's last parameter, which says where the page begins."""
    return parse_qsl(urlsplit(url).query)[-1]


async def test_a_cursor_works_for_its_own_search_only(client: httpx.AsyncClient) -> None:
    tag = await stored(client, 3)
    url = link((await client.get(f"/fhir/Patient?_tag={tag}&_count=1")).json(), "next")
    assert url
    name, value = cursor(url)
    same = await client.get(f"/fhir/Patient?{urlencode({'_count': 2, '_tag': tag, name: value})}")
    assert len(ids(same.json())) == 2  # another size of page is no other search
    for other in ({"_tag": "other"}, {}, {"_tag": tag, "gender": "male"}, {"_tag": tag, "_sort": "_id"}):
        answer = await client.get(f"/fhir/Patient?{urlencode({**other, name: value})}")
        assert answer.status_code == 400, other
        assert name in answer.json()["issue"][0]["diagnostics"]


async def test_the_longest_texts_are_walked_through_in_order(client: httpx.AsyncClient) -> None:
    tag = uuid.uuid4().hex[:8]
    long = "\U00020000" * 600  # a letter of four bytes that folding leaves as it is
    place = {"text": long, "city": long, "country": long, "state": long}
    sorting = "name,address,address-city,address-country,address-state"
    meta = {"tag": [{"system": SYSTEM, "code": tag}]}
    rows = [
        {"resourceType": "Organization", "id": f"{tag}-{n}", "meta": meta, "name": long + str(n), "address": [place]}
        for n in range(3)
    ]
    answer = await client.post(
        "/fhir", json=bundle("transaction", *(entry("PUT", f"Organization/{row['id']}", row) for row in rows))
    )
    assert answer.status_code == 200, answer.text
    url: str | None = f"/fhir/Organization?_tag={SYSTEM}|{tag}&_sort={sorting}&_count=1"
    seen = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        seen += ids(answer.json())
        url = link(answer.json(), "next")
    assert sorted(seen) == [f"{tag}-{n}" for n in range(3)]


async def test_a_cursor_that_was_altered_is_refused(client: httpx.AsyncClient) -> None:
    tag = await stored(client, 2)
    url = link((await client.get(f"/fhir/Patient?_tag={tag}&_count=1")).json(), "next")
    assert url
    name, value = cursor(url)
    swapped = [value[:n] + ("A" if value[n] != "A" else "B") + value[n + 1 :] for n in range(0, len(value), 3)]
    for altered in [*swapped, value[:-4], value + "AAAA", "", "é", "null", "A" * 5000, "%00", "[]"]:
        answer = await client.get(f"/fhir/Patient?_tag={tag}&_count=1&{name}={quote(altered)}")
        assert answer.status_code == 400, altered
        assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_change_is_found_at_once(client: httpx.AsyncClient) -> None:
    tag = uuid.uuid4().hex[:8]

    async def found(query: str) -> int:
        return int((await client.get(f"/fhir/Patient?_tag={tag}&{query}&_summary=count")).json()["total"])

    for gender in ("male", "female", "male"):
        await client.put(f"/fhir/Patient/{tag}-00", json=tagged(tag, 0, gender=gender))
        assert (await found(f"gender={gender}"), await found(f"gender:not={gender}")) == (1, 0)
    await client.delete(f"/fhir/Patient/{tag}-00")
    assert (await found("gender=male"), await found("gender:missing=true"), await found("_id:not=x")) == (0, 0, 0)
    await client.put(f"/fhir/Patient/{tag}-00", json=tagged(tag, 0))
    assert await found("gender=male") == 1


async def test_deleted_resources_are_neither_included_nor_followed(client: httpx.AsyncClient) -> None:
    tag = await stored(client, 1)
    given = (await client.post("/fhir/Immunization", json=dose(f"Patient/{tag}-00"))).json()["id"]
    query = f"/fhir/Immunization?_id={given}&_include=Immunization:patient"
    chain = f"/fhir/Immunization?_id={given}&patient.gender=male"
    assert len((await client.get(query)).json()["entry"]) == 2
    assert len(ids((await client.get(chain)).json())) == 1
    await client.delete(f"/fhir/Patient/{tag}-00")
    assert len((await client.get(query)).json()["entry"]) == 1
    assert ids((await client.get(chain)).json()) == []


async def test_a_larger_page_than_there_may_be_is_made_smaller_and_says_so(client: httpx.AsyncClient) -> None:
    page = (await client.get("/fhir/Patient?_count=1000000")).json()
    self = link(page, "self")
    assert self
    assert dict(parse_qsl(urlsplit(self).query)) == {"_count": "1000"}


async def test_last_updated_finds_what_changed_since(client: httpx.AsyncClient) -> None:
    tag = await stored(client, 3)
    moment = (await client.get(f"/fhir/Patient/{tag}-01")).json()["meta"]["lastUpdated"]
    await client.put(f"/fhir/Patient/{tag}-02", json=tagged(tag, 2, active=True))
    after = (await client.get(f"/fhir/Patient?_tag={tag}&_lastUpdated=gt{moment}")).json()
    assert f"{tag}-02" in ids(after)
    assert f"{tag}-01" not in ids(after)
    since = (await client.get(f"/fhir/Patient?_tag={tag}&_lastUpdated=ge{moment}&_sort=_lastUpdated")).json()
    assert ids(since)[-1] == f"{tag}-02"
    assert f"{tag}-01" in ids(since)


HEAVY = ["Binary?_tag={tag}", "Binary?_tag={tag}&_sort=_id", "?_type=Binary&_tag={tag}", "Binary/_history", "_history"]


@pytest.mark.parametrize("query", [*HEAVY, "Binary/{tag}-0/_history"])
async def test_a_page_of_too_many_bytes_is_refused_and_smaller_ones_are_not(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    tag = uuid.uuid4().hex[:8]
    for n in (0, 1, 2, 0, 0, 0):
        body = {"resourceType": "Binary", "id": f"{tag}-{n}", "contentType": "image/png", "data": "AAAA" * 100_000}
        meta = {"meta": {"tag": [{"code": tag}, {"code": uuid.uuid4().hex}]}}
        assert (await client.put(f"/fhir/Binary/{tag}-{n}", json=body | meta)).status_code in {200, 201}
    monkeypatch.setattr(weighing, "LARGEST", weighing.MIB)
    url = "/fhir/" + query.format(tag=tag)
    answer = await client.get(url, headers={"accept-language": "vi"})
    [issue] = answer.json()["issue"]
    assert (answer.status_code, issue["code"]) == (422, "too-costly")
    assert "_count" in issue["diagnostics"]
    assert issue["details"]["text"] != issue["diagnostics"]
    seen: list[str] = []
    following: str | None = f"{url}{'&' if '?' in url else '?'}_count=1"
    while following and len(seen) < 3:
        page = (await client.get(following)).json()
        seen += [row["resource"]["meta"]["versionId"] + row["resource"]["id"] for row in page["entry"]]
        following = link(page, "next")
    assert len(set(seen)) == 3
