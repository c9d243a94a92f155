"""Patient/[id]/$everything.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, entry

Json = dict[str, Any]


def _ref(name: str) -> Json:
    return {"reference": name}


def _observation(id: str, **content: Any) -> Json:
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "nhiệt độ"}, **content}


ORGANIZATIONS: list[Json] = [{"resourceType": "Organization", "id": f"o{n}", "name": f"Trạm {n}"} for n in range(4)]
# In the order in which they are stored, after the organizations.
RESOURCES: list[Json] = [
    {"resourceType": "Location", "id": "l1", "name": "Phòng tiêm", "managingOrganization": _ref("Organization/o3")},
    {"resourceType": "Practitioner", "id": "d1", "active": True},
    {"resourceType": "Medication", "id": "m1", "status": "active"},
    {**PATIENT, "id": "p1", "managingOrganization": _ref("Organization/o0")},
    {**PATIENT, "id": "p2", "managingOrganization": _ref("Organization/o2")},
    {
        **dose("Patient/p1", occurrenceDateTime="2024-03-01", performer=[{"actor": _ref("Practitioner/d1")}]),
        "id": "i1",
        "location": _ref("Location/l1"),
        "manufacturer": _ref("Organization/o1"),
    },
    {**dose("Patient/p1", occurrenceDateTime="2025-03-01"), "id": "i2", "manufacturer": _ref("Organization/gone")},
    {**dose("Patient/p2"), "id": "i3", "manufacturer": _ref("Organization/o2")},
    _observation("b1", subject=_ref("Patient/p1"), effectiveDateTime="2024-03-02"),
    _observation("b2", subject=_ref("Patient/p1"), focus=[_ref("Immunization/i3")]),
    {
        "resourceType": "MedicationStatement",
        "id": "s1",
        "status": "active",
        "subject": _ref("Patient/p1"),
        "medicationReference": _ref("Medication/m1/_history/1"),
        "effectivePeriod": {"start": "2023-01-01", "end": "2024-03-01"},
    },
    {"resourceType": "RelatedPerson", "id": "r1", "patient": _ref("Patient/p1")},
]


@pytest.fixture(scope="module", autouse=True)
async def stored(client: httpx.AsyncClient) -> None:
    for each in [*ORGANIZATIONS, *RESOURCES]:
        answer = await client.put(f"/fhir/{each['resourceType']}/{each['id']}", json=each)
        assert answer.status_code == 201, answer.text
        await asyncio.sleep(0.002)


def ids(page: Json, mode: str = "match") -> list[str]:
    return [row["resource"]["id"] for row in page.get("entry", []) if row["search"]["mode"] == mode]


async def pages(client: httpx.AsyncClient, url: str | None) -> list[Json]:
    found = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        url = next((row["url"] for row in found[-1]["link"] if row["relation"] == "next"), None)
    return found


WHOLE = ["p1", "r1", "s1", "b2", "b1", "i2", "i1"]
ROWS: list[tuple[str, list[str], list[str]]] = [
    ("", WHOLE, ["d1", "l1", "m1", "o0", "o1"]),
    ("_type=Immunization", ["i2", "i1"], []),
    ("_type=Immunization,Organization", ["i2", "i1"], ["o1"]),
    ("_type=Patient&_type=RelatedPerson,Location", ["p1", "r1"], []),
    ("start=2024-03-01", WHOLE, ["d1", "l1", "m1", "o0", "o1"]),
    ("start=2024-03-02", ["p1", "r1", "b2", "b1", "i2"], ["o0"]),
    ("end=2024-03-01", ["p1", "r1", "s1", "b2", "i1"], ["d1", "l1", "m1", "o0", "o1"]),
    ("end=2022", ["p1", "r1", "b2"], ["o0"]),
    ("start=2024-03&end=2024-03&_type=Immunization,Observation", ["b2", "b1", "i1"], []),
    ("_since=2999-01-01", [], []),
    ("_since=2000", WHOLE, ["d1", "l1", "m1", "o0", "o1"]),
]


@pytest.mark.parametrize("count", ["", "1", "2", "7"])
@pytest.mark.parametrize(("params", "expected", "along"), ROWS, ids=[row[0] for row in ROWS])
async def test_it_gives_the_record_and_what_it_refers_to(
    client: httpx.AsyncClient, params: str, expected: list[str], along: list[str], count: str
) -> None:
    query = "&".join(part for part in (params, f"_count={count}" if count else "") if part)
    found = await pages(client, f"/fhir/Patient/p1/$everything?{query}")
    assert [id for page in found for id in ids(page)] == expected
    assert sorted({id for page in found for id in ids(page, "include")}) == along
    if count:
        assert all(len(ids(page)) <= int(count) for page in found)
        assert len(found) == max(1, -(-len(expected) // int(count)))


async def test_since_gives_what_changed(client: httpx.AsyncClient) -> None:
    changed = (await client.get("/fhir/Observation/b1")).json()["meta"]["lastUpdated"]
    [page] = await pages(client, f"/fhir/Patient/p1/$everything?_since={quote(changed)}")
    assert ids(page) == ["r1", "s1", "b2", "b1"]


async def test_it_takes_parameters_in_a_resource(client: httpx.AsyncClient) -> None:
    rows = [
        {"name": "start", "valueDate": "2024-03-01"},
        {"name": "_type", "valueCode": "Immunization"},
        {"name": "_type", "valueCode": "Observation"},
        {"name": "_count", "valueInteger": 2},
    ]
    answer = await client.post("/fhir/Patient/p1/$everything", json={"resourceType": "Parameters", "parameter": rows})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert (page["type"], ids(page)) == ("searchset", ["b2", "b1"])
    [following] = [row["url"] for row in page["link"] if row["relation"] == "next"]
    assert [ids(page) for page in await pages(client, following)] == [["i2", "i1"]]


async def test_the_record_of_a_linked_patient_stays_with_them(client: httpx.AsyncClient) -> None:
    [page] = await pages(client, "/fhir/Patient/p1/$everything")
    text = str(page)
    assert "Organization/o2" not in text
    assert "i3" not in [*ids(page), *ids(page, "include")]


async def test_it_is_called_in_a_batch(client: httpx.AsyncClient) -> None:
    answer = await client.post("/fhir", json=bundle("batch", entry("GET", "Patient/p2/$everything")))
    [row] = answer.json()["entry"]
    assert ids(row["resource"]) == ["p2", "i3"]


@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("Patient/nobody/$everything", 404, "Patient/nobody"),
        ("Patient/p1/$everything?_count=0", 400, "_count=0"),
        ("Patient/p1/$everything?start=yesterday", 400, "start=yesterday"),
        ("Patient/p1/$everything?end=2024-02-30", 400, "end=2024-02-30"),
        ("Patient/p1/$everything?_since=x", 400, "_since=x"),
        ("Patient/p1/$everything?_type=Nothing", 400, "Nothing"),
        ("Patient/p1/$everything?colour=red", 400, "colour"),
        ("Patient/p1/$everything?_count=1&_count=2", 400, "twice"),
        ("Patient/p1/$everything?_cursor=AAAA", 400, "_cursor"),
        ("Observation/b1/$everything", 400, "$everything"),
    ],
)
async def test_what_cannot_be_given_is_refused(client: httpx.AsyncClient, url: str, status: int, text: str) -> None:
    answer = await client.get(f"/fhir/{url}")
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert text in answer.json()["issue"][0]["diagnostics"]


async def test_a_next_link_leads_through_one_record_only(client: httpx.AsyncClient) -> None:
    page = (await client.get("/fhir/Patient/p1/$everything?_count=2")).json()
    [following] = [row["url"] for row in page["link"] if row["relation"] == "next"]
    assert (await client.get(following.replace("/p1/", "/p2/"))).status_code == 400


async def test_the_record_of_a_deleted_patient_is_gone(client: httpx.AsyncClient) -> None:
    await client.put("/fhir/Patient/p3", json={**PATIENT, "id": "p3"})
    await client.delete("/fhir/Patient/p3")
    assert (await client.get("/fhir/Patient/p3/$everything")).status_code == 410
