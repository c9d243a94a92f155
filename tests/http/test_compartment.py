"""Searches over several types, and in compartments.

https://hl7.org/fhir/R4/http.html#vsearch · https://hl7.org/fhir/R4/compartmentdefinition.html
"""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_server.definitions import Definitions, core_facts
from fhir_server.rest.interaction import COMPARTMENTS
from tests.http.serving import PATIENT, bundle, dose, entry

Json = dict[str, Any]
TAG = {"tag": [{"system": "http://example.org/set", "code": "one"}]}


def resource(type: str, id: str, **content: Any) -> Json:
    return {"resourceType": type, "id": id, **content}


def _ref(name: str) -> Json:
    return {"reference": name}


def _observation(id: str, **content: Any) -> Json:
    return resource("Observation", id, status="final", code={"text": "nhiệt độ"}, **content)


# In the order in which they are stored.
RESOURCES: list[Json] = [
    resource("Organization", "o1", name="Trạm Y tế"),
    resource("Practitioner", "d1", active=True),
    {**PATIENT, "id": "p1", "meta": TAG},
    {**PATIENT, "id": "p2", "link": [{"other": _ref("Patient/p1"), "type": "seealso"}]},
    resource("RelatedPerson", "r1", patient=_ref("Patient/p1")),
    resource("Encounter", "e1", status="finished", subject=_ref("Patient/p1"), **{"class": {"code": "AMB"}}),
    {**dose("Patient/p1"), "id": "i1", "encounter": _ref("Encounter/e1"), "meta": TAG},
    {**dose("Patient/p1", status="not-done", statusReason={"text": "sốt"}), "id": "i2"},
    {**dose("Patient/p2"), "id": "i3", "meta": TAG, "performer": [{"actor": _ref("Practitioner/d1")}]},
    _observation("b1", subject=_ref("Patient/p1"), encounter=_ref("Encounter/e1"), device=_ref("Device/v1")),
    _observation("b2", subject=_ref("Patient/p2"), performer=[_ref("Patient/p1")], meta=TAG),
    resource("Device", "v1", patient=_ref("Patient/p2")),
]


@pytest.fixture(scope="module", autouse=True)
async def stored(client: httpx.AsyncClient) -> None:
    for each in RESOURCES:
        answer = await client.put(f"/fhir/{each['resourceType']}/{each['id']}", json=each)
        assert answer.status_code == 201, answer.text


def ids(page: Json) -> list[str]:
    return [row["resource"]["id"] for row in page.get("entry", []) if row["search"]["mode"] == "match"]


async def walked(client: httpx.AsyncClient, url: str | None) -> list[str]:
    seen: list[str] = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += ids(page)
        url = next((row["url"] for row in page["link"] if row["relation"] == "next"), None)
    return seen


EVERYTHING = [each["id"] for each in RESOURCES][::-1]
ROWS: list[tuple[str, str, list[str]]] = [
    ("Patient/p1/Immunization", "", ["i2", "i1"]),
    ("Patient/p1/Immunization", "status=completed", ["i1"]),
    ("Patient/p1/Immunization", "status=completed,not-done&_sort=_lastUpdated", ["i1", "i2"]),
    ("Patient/p1/Immunization", "_id=i3", []),
    ("Patient/p2/Immunization", "status:not=not-done", ["i3"]),
    ("Patient/p2/Immunization", "performer.active=true", ["i3"]),
    ("Patient/nobody/Immunization", "", []),
    ("Patient/p1/Observation", "", ["b2", "b1"]),  # as its subject, as its performer
    ("Patient/p1/Patient", "", ["p2", "p1"]),
    ("Patient/p1/*", "", ["b2", "b1", "i2", "i1", "e1", "r1", "p2", "p1"]),
    ("Patient/p1/*", "_tag=one", ["b2", "i1", "p1"]),
    ("Patient/p1/*", "_type=Encounter,RelatedPerson", ["e1", "r1"]),
    ("Patient/p1/*", "_type=Immunization&status=not-done", ["i2"]),
    ("Patient/nobody/*", "", []),
    ("Encounter/e1/*", "", ["b1", "e1"]),
    ("Encounter/e1/Observation", "", ["b1"]),
    ("Practitioner/d1/Immunization", "", ["i3"]),
    ("Practitioner/d1/*", "", ["i3", "d1"]),
    ("Device/v1/Observation", "", ["b1"]),
    ("RelatedPerson/r1/*", "", ["r1"]),
    ("", "", EVERYTHING),
    ("", "_sort=_lastUpdated", EVERYTHING[::-1]),
    ("", "_tag=one", ["b2", "i3", "i1", "p1"]),
    ("", "_id=p1,i1,nobody", ["i1", "p1"]),
    ("", "_type=Patient,Immunization", ["i3", "i2", "i1", "p2", "p1"]),
    ("", "_type=Immunization,Observation&_sort=_lastUpdated", ["i1", "i2", "i3", "b1", "b2"]),
    ("", "_type=Immunization,Observation&patient=Patient/p2", ["b2", "i3"]),
    ("", "_type=Observation,Immunization&patient.gender=female", []),
    ("", "_type=Basic", []),
    ("", "_type=Patient&name=An&_tag:not=one", ["p2"]),
    ("", "_lastUpdated=lt2000", []),
]


@pytest.mark.parametrize("count", ["", "1", "3"])
@pytest.mark.parametrize(("path", "params", "expected"), ROWS, ids=[f"{row[0]}?{row[1]}" for row in ROWS])
async def test_a_search_finds(
    client: httpx.AsyncClient, path: str, params: str, expected: list[str], count: str
) -> None:
    query = "&".join(part for part in (params, f"_count={count}" if count else "") if part)
    assert await walked(client, f"/fhir/{path}?{query}") == expected
    posted = await client.post(
        f"/fhir/{path}{'/' if path else ''}_search",
        content=query,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert ids(posted.json()) == (expected[: int(count)] if count else expected)


@pytest.mark.parametrize(("path", "params", "expected"), ROWS, ids=[f"{row[0]}?{row[1]}" for row in ROWS])
async def test_a_total_counts_all_of_them(
    client: httpx.AsyncClient, path: str, params: str, expected: list[str]
) -> None:
    page = (await client.get(f"/fhir/{path}?{params}&_count=1&_total=accurate")).json()
    assert (page["total"], len(ids(page))) == (len(expected), min(1, len(expected)))
    only = (await client.get(f"/fhir/{path}?{params}&_summary=count")).json()
    assert (only["total"], "entry" in only) == (len(expected), False)


@pytest.mark.parametrize(
    ("url", "self"),
    [
        ("Patient/p1/Immunization?status=completed", "Patient/p1/Immunization?status=completed"),
        ("Patient/p1/*?_tag=one", "Patient/p1/*?_tag=one"),
        ("?_tag=one&_type=Patient,Immunization", "?_type=Immunization,Patient&_tag=one"),
    ],
)
async def test_the_self_link_says_what_was_searched(client: httpx.AsyncClient, url: str, self: str) -> None:
    page = (await client.get(f"/fhir/{url}")).json()
    [link] = [row["url"] for row in page["link"] if row["relation"] == "self"]
    assert link.replace("/fhir/?", "/fhir?") == f"{client.base_url}/fhir{'' if self.startswith('?') else '/'}{self}"
    assert ids((await client.get(link)).json()) == ids(page)


async def test_a_compartment_search_includes(client: httpx.AsyncClient) -> None:
    page = (await client.get("/fhir/Patient/p2/Immunization?_include=Immunization:performer")).json()
    assert [row["resource"]["id"] for row in page["entry"]] == ["i3", "d1"]


async def test_pages_over_types_lose_and_repeat_nothing_while_others_write(client: httpx.AsyncClient) -> None:
    """An unchanged resource is found once, whatever else is stored meanwhile."""
    stop = asyncio.Event()

    async def writer() -> None:
        while not stop.is_set():
            await client.post("/fhir/Basic", json=resource("Basic", "x", code={"text": "khác"}))

    writing = asyncio.create_task(writer())
    try:
        seen = await walked(client, "/fhir?_count=5")
    finally:
        stop.set()
        await writing
    assert [id for id in seen if id in EVERYTHING] == EVERYTHING
    assert len(seen) == len(set(seen))


async def test_compartments_are_searched_in_a_bundle(client: httpx.AsyncClient) -> None:
    rows = [entry("GET", "Patient/p1/Immunization?status=completed"), entry("GET", "?_type=Patient&_tag=one")]
    for kind in ("batch", "transaction"):
        answer = await client.post("/fhir", json=bundle(kind, *rows))
        assert answer.status_code == 200, answer.text
        assert [ids(row["resource"]) for row in answer.json()["entry"]] == [["i1"], ["p1"]]


@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("Patient/p1/Organization", 400, "Organization is never in the compartment"),
        ("Patient/p1/*?_type=Organization", 400, "'Organization' cannot be found here"),
        ("Patient/p1/Immunization?colour=red", 400, "colour"),
        ("Patient/p1/Nothing", 405, "Patient/p1/Nothing"),
        ("Organization/o1/Patient", 405, "Organization/o1/Patient"),
        ("Patient/p 1/*", 404, "'p 1'"),
        ("?name=An", 400, "_type"),
        ("?_type=Patient,Immunization&name=An", 400, "Immunization has no search parameter 'name'"),
        ("?_type=Nothing", 400, "Nothing"),
        ("?_type=", 400, "_type"),
        ("?_type=Patient&_type=Immunization", 400, "twice"),
        ("?_type=Patient,Immunization&_sort=date", 400, "date"),
        ("?_type=Immunization,Observation&_sort=date", 400, "_lastUpdated"),
        ("?_type=Immunization&_include=Immunization:patient", 400, "_include"),
        ("?_cursor=AAAA", 400, "_cursor"),
        ("Patient/p1/*?_cursor=AAAA", 400, "_cursor"),
        ("?_nothing=1", 400, "_nothing"),
    ],
)
async def test_what_cannot_be_searched_is_refused(client: httpx.AsyncClient, url: str, status: int, text: str) -> None:
    answer = await client.get(f"/fhir/{quote(url, safe='/?=&*:')}")
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert text in answer.json()["issue"][0]["diagnostics"]


async def test_a_lenient_search_leaves_out_for_all_types_what_one_has_not(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/fhir?_type=Patient,Immunization&name=nobody&_tag=one", headers={"prefer": "handling=lenient"}
    )
    page = answer.json()
    assert ids(page) == ["i3", "i1", "p1"]
    assert "name" not in page["link"][0]["url"]
    [note] = [row["resource"] for row in page["entry"] if row["search"]["mode"] == "outcome"]
    assert "name" in note["issue"][0]["diagnostics"]


async def test_a_cursor_of_one_search_does_not_fit_another(client: httpx.AsyncClient) -> None:
    page = (await client.get("/fhir?_type=Patient,Immunization&_count=1")).json()
    [following] = [row["url"] for row in page["link"] if row["relation"] == "next"]
    assert (await client.get(following)).status_code == 200
    assert (await client.get(following.replace("Patient", "Observation"))).status_code == 400


def test_every_compartment_of_r4_has_its_addresses() -> None:
    assert set(COMPARTMENTS) == set(Definitions(core_facts()).compartments)
