"""History of a resource, a type and the system.

https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, entry

Json = dict[str, Any]
TYPES = {"Patient": PATIENT, "Organization": {"resourceType": "Organization", "name": "Trạm Y tế"}}


async def changed(client: httpx.AsyncClient, url: str, body: Json | None) -> str:
    """Store (or with None delete) `url`; return the time of the version made."""
    answer = await (client.delete(f"/fhir/{url}") if body is None else client.put(f"/fhir/{url}", json=body))
    assert answer.status_code in {200, 201, 204}, answer.text
    await asyncio.sleep(0.002)  # so that no two of these versions are of the same millisecond
    history = (await client.get(f"/fhir/{url}/_history?_count=1")).json()
    return str(history["entry"][0]["response"]["lastModified"])


@pytest.fixture(scope="module")
async def times(client: httpx.AsyncClient) -> list[str]:
    """The times of ten versions: Patient a, b, Organization o; a and b updated, b deleted, a again, b back, c new."""
    rows: list[tuple[str, str, int | None]] = [
        ("Patient", "a", 1),
        ("Patient", "b", 1),
        ("Organization", "o", 1),
        ("Patient", "a", 2),
        ("Patient", "b", 2),
        ("Patient", "b", None),
        ("Patient", "a", 3),
        ("Patient", "b", 4),
        ("Patient", "c", 1),
        ("Patient", "c", None),
    ]
    times = []
    for type, id, number in rows:
        body = None if number is None else {**TYPES[type], "id": id, "language": f"x-{number}"}
        times.append(await changed(client, f"{type}/{id}", body))
    return times


ALL = ["a1", "b1", "o1", "a2", "b2", "b3", "a3", "b4", "c1", "c2"]


def names(entries: Iterable[Json]) -> list[str]:
    """Return `a1` for version 1 of a resource with the id a."""
    return [row["fullUrl"].rpartition("/")[2] + row["response"]["etag"][3:-1] for row in entries]


async def walked(client: httpx.AsyncClient, url: str | None) -> list[str]:
    """Follow the next links and return the names of all versions."""
    seen: list[str] = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert (page["resourceType"], page["type"]) == ("Bundle", "history")
        seen += names(page.get("entry", []))
        url = next((row["url"] for row in page["link"] if row["relation"] == "next"), None)
    return seen


# Of the versions in ALL by position: address, parameters with {n} for the time of version n, the versions expected.
ROWS: list[tuple[str, str, list[str]]] = [
    ("", "", ALL[::-1]),
    ("", "_sort=-_lastUpdated", ALL[::-1]),
    ("", "_sort=_lastUpdated", ALL),
    ("Patient/", "", [name for name in ALL[::-1] if name != "o1"]),
    ("Organization/", "", ["o1"]),
    ("Observation/", "", []),
    ("Patient/a/", "", ["a3", "a2", "a1"]),
    ("Patient/b/", "_sort=_lastUpdated", ["b1", "b2", "b3", "b4"]),
    ("", "_since={3}", ALL[:2:-1]),
    ("", "_since={3}&_sort=_lastUpdated", ALL[3:]),
    ("", "_since=2999", []),
    ("", "_since=1999-12-31", ALL[::-1]),
    ("Patient/", "_since={8}", ["c2", "c1"]),
    ("Patient/a/", "_since={3}", ["a3", "a2"]),
    ("Patient/a/", "_since={3}&_sort=_lastUpdated", ["a2", "a3"]),
    ("Organization/", "_since={3}", []),
    ("", "_at={0}", ["a1"]),
    ("", "_at={4}", ["b2", "a2", "o1"]),
    ("", "_at={5}", ["b3", "a2", "o1"]),  # the deletion itself
    ("", "_at={6}", ["a3", "o1"]),  # b is not there
    ("", "_at={7}&_sort=_lastUpdated", ["o1", "a3", "b4"]),
    ("", "_at=1999", []),
    ("Patient/", "_at={9}", ["c2", "b4", "a3"]),
    ("Patient/b/", "_at={6}", []),
    ("Patient/b/", "_at={8}", ["b4"]),
    ("Patient/a/", "_at={5}", ["a2"]),
    ("", "_at={4}&_since={4}", ["b2"]),
]


@pytest.mark.parametrize("count", ["", "1", "3", "1000"])
@pytest.mark.parametrize(("address", "params", "expected"), ROWS, ids=[f"{row[0]}?{row[1]}" for row in ROWS])
async def test_a_history_tells_the_versions_asked_for(
    client: httpx.AsyncClient, times: list[str], address: str, params: str, expected: list[str], count: str
) -> None:
    query = "&".join(part for part in (params.format(*times), f"_count={count}" if count else "") if part)
    assert await walked(client, f"/fhir/{address}_history?{query}") == expected


async def test_each_entry_says_what_was_asked_and_what_came_of_it(client: httpx.AsyncClient, times: list[str]) -> None:
    page = (await client.get("/fhir/Patient/_history?_count=3")).json()
    deleted, created, back = page["entry"]
    assert deleted["request"] == {"method": "DELETE", "url": "Patient/c"}
    assert (deleted["response"]["status"], "resource" in deleted) == ("204", False)
    assert created["request"] == {"method": "PUT", "url": "Patient/c"}
    assert created["response"] == {"status": "201", "etag": 'W/"1"', "lastModified": times[8]}
    assert created["resource"]["meta"]["lastUpdated"] == times[8]
    assert created["resource"]["language"] == "x-1"
    assert back["fullUrl"] == f"{client.base_url}/fhir/Patient/b"
    assert len(page["entry"]) == 3


@pytest.mark.parametrize("address", ["Patient/busy-0", "Patient", ""], ids=["instance", "type", "system"])
@pytest.mark.parametrize("order", ["_lastUpdated", "-_lastUpdated"])
async def test_a_walk_loses_and_repeats_nothing_while_others_write(
    client: httpx.AsyncClient, times: list[str], address: str, order: str
) -> None:
    ids = [f"busy-{number}" for number in range(4)]
    rows = [entry("PUT", f"Patient/{id}", {**PATIENT, "id": id, "active": True}) for id in ids]
    assert (await client.post("/fhir", json=bundle("transaction", *rows))).status_code == 200
    before = await walked(client, f"/fhir/{address + '/' if address else ''}_history?_count=1000")
    stop = asyncio.Event()

    async def writer(id: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await client.put(f"/fhir/Patient/{id}", json={**PATIENT, "id": id, "multipleBirthInteger": number})

    writing = [asyncio.create_task(writer(id)) for id in ids]
    try:
        seen = await walked(client, f"/fhir/{address + '/' if address else ''}_history?_count=7&_sort={order}")
    finally:
        stop.set()
        await asyncio.gather(*writing)
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)
    after = await walked(client, f"/fhir/{address + '/' if address else ''}_history?_count=1000")
    in_order = seen if order.startswith("-") else seen[::-1]
    assert in_order == after[after.index(in_order[0]) :]  # a whole piece of what there was in the end


async def test_a_history_is_read_in_a_batch(client: httpx.AsyncClient, times: list[str]) -> None:
    answer = await client.post("/fhir", json=bundle("batch", entry("GET", "Organization/_history")))
    [row] = answer.json()["entry"]
    assert names(row["resource"]["entry"]) == ["o1"]


@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("_history?_since=yesterday", 400, "_since=yesterday"),
        ("_history?_at=2025-13", 400, "_at=2025-13"),
        ("_history?_count=-1", 400, "_count=-1"),
        ("_history?_sort=name", 400, "_lastUpdated"),
        ("_history?_list=42", 400, "_since, _at, _sort"),
        ("Patient/_history?name=An", 400, "'name'"),
        ("Patient/a/_history?_since=2024&_since=2025", 400, "twice"),
        ("Patient/a/_history?_cursor=AAAA", 400, "_cursor"),
        ("Patient/_history?_cursor=ÿ", 400, "_cursor"),
        ("Patient/_history?_cursor=" + "A" * 5000, 400, "_cursor"),
        ("Patient/nobody/_history", 404, "Patient/nobody"),
        ("Nothing/_history", 404, "Nothing"),
    ],
)
async def test_what_a_history_cannot_tell_is_refused(
    client: httpx.AsyncClient, times: list[str], url: str, status: int, text: str
) -> None:
    answer = await client.get(f"/fhir/{quote(url, safe='/?=&')}")
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert text in answer.json()["issue"][0]["diagnostics"]


async def test_a_next_link_belongs_to_its_history_alone(client: httpx.AsyncClient, times: list[str]) -> None:
    page = (await client.get("/fhir/Patient/_history?_count=2")).json()
    [following] = [row["url"] for row in page["link"] if row["relation"] == "next"]
    assert (await client.get(following)).status_code == 200
    assert (await client.get(following.replace("_count=2", "_count=3"))).status_code == 200
    for other in (
        following.replace("/Patient/", "/"),
        f"{following}&_sort=_lastUpdated",
        following[:-2] + ("A" if following[-2] != "A" else "B") + following[-1],
    ):
        assert (await client.get(other)).status_code == 400, other


async def test_the_self_link_repeats_what_was_asked(client: httpx.AsyncClient, times: list[str]) -> None:
    page = (await client.get("/fhir/Patient/_history?_count=2&_sort=_lastUpdated")).json()
    assert page["link"][0] == {
        "relation": "self",
        "url": f"{client.base_url}/fhir/Patient/_history?_count=2&_sort=_lastUpdated",
    }


async def test_doses_of_a_transaction_stand_in_the_history_of_their_type(client: httpx.AsyncClient) -> None:
    rows = [entry("POST", "Immunization", dose("Patient/a")) for _ in range(3)]
    await client.post("/fhir", json=bundle("transaction", *rows))
    page = (await client.get("/fhir/Immunization/_history")).json()
    assert [row["request"] for row in page["entry"]] == [{"method": "POST", "url": "Immunization"}] * 3
