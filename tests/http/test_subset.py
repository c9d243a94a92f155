"""Parts of resources: `_summary` and `_elements`.

https://hl7.org/fhir/R4/search.html#summary · https://hl7.org/fhir/R4/search.html#elements
"""

import httpx
import pytest

from tests.http.search_examples import transaction
from tests.http.serving import JSON
from tests.http.test_search import numbers


@pytest.fixture(scope="module")
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that holds the numbered resources."""
    answer = await client.post("/fhir", json=transaction())
    assert answer.status_code == 200, answer.text
    return client


WHOLE = (
    '{"resourceType":"Observation","id":"whole","meta":{"tag":[{"code":"mine"}]},"text":{"status":"generated","div":'
    '"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">37,0</div>"},"extension":[{"url":"http://example.org/x",'
    '"valueBoolean":true}],"status":"final","_status":{"id":"s"},"code":{"id":"c","text":"Nhiệt độ"},"subject":'
    '{"reference":"Patient/p0"},"effectiveDateTime":"2025-08-12","valueQuantity":{"value":37.0,"unit":"Cel"},"note":'
    '[{"text":"Đo hai lần"}],"referenceRange":[{"text":"36-37"}],"component":[{"id":"k","code":{"text":"nách"},'
    '"valueQuantity":{"value":36.90},"referenceRange":[{"text":"35-37"}]}]}'
)
# What each leaves of it, besides resourceType, id and meta.
PARTS = [
    ("_summary=true", "status _status code subject effectiveDateTime valueQuantity component"),
    ("_summary=text", "text status _status code"),
    (
        "_summary=data",
        "extension status _status code subject effectiveDateTime valueQuantity note referenceRange component",
    ),
    ("_elements=note", "status _status code note"),
    ("_elements=value,Observation.note", "status _status code valueQuantity note"),
    ("_elements=id", "status _status code"),
]


@pytest.mark.parametrize(("query", "expected"), PARTS, ids=[query for query, _ in PARTS])
async def test_a_part_of_a_resource_holds_what_was_asked_for_and_what_must_be_there(
    stored: httpx.AsyncClient, query: str, expected: str
) -> None:
    put = await stored.put("/fhir/Observation/whole", content=WHOLE.encode(), headers=JSON)
    assert put.status_code in (200, 201), put.text
    answer = await stored.get(f"/fhir/Observation?_id=whole&{query}")
    assert answer.status_code == 200, answer.text
    [row] = answer.json()["entry"]
    part = row["resource"]
    assert sorted(part) == sorted(["resourceType", "id", "meta", *expected.split()])
    assert [tag["code"] for tag in part["meta"]["tag"]] == ["mine", "SUBSETTED"]
    assert part["meta"]["versionId"]
    if "valueQuantity" in part:
        assert '"value":37.0,' in answer.text  # digits stay
    whole = (await stored.get("/fhir/Observation/whole")).json()
    assert [tag["code"] for tag in whole["meta"]["tag"]] == ["mine"]


async def test_a_summary_reaches_into_elements(stored: httpx.AsyncClient) -> None:
    await stored.put("/fhir/Observation/whole", content=WHOLE.encode(), headers=JSON)
    [row] = (await stored.get("/fhir/Observation?_id=whole&_summary=true")).json()["entry"]
    assert row["resource"]["code"] == {"text": "Nhiệt độ"}
    assert row["resource"]["component"] == [{"code": {"text": "nách"}, "valueQuantity": {"value": 36.9}}]


async def test_what_comes_along_is_a_summary_too_but_has_elements_of_its_own(stored: httpx.AsyncClient) -> None:
    answer = await stored.get("/fhir/Immunization?_id=i0&_include=Immunization:patient&_summary=data")
    assert [row["resource"]["meta"]["tag"][0]["code"] for row in answer.json()["entry"]] == ["SUBSETTED", "SUBSETTED"]
    answer = await stored.get("/fhir/Immunization?_id=i0&_include=Immunization:patient&_elements=lotNumber")
    dose, patient = (row["resource"] for row in answer.json()["entry"])
    assert "protocolApplied" not in dose
    assert "tag" not in patient["meta"]
    assert patient["name"]


async def test_a_summary_that_is_no_part_leaves_resources_as_they_are(stored: httpx.AsyncClient) -> None:
    plain = numbers(await stored.get("/fhir/Patient?_sort=_id"))
    answer = await stored.get("/fhir/Patient?_sort=_id&_summary=false")
    assert numbers(answer) == plain
    assert "SUBSETTED" not in answer.text


async def parts(client: httpx.AsyncClient, address: str) -> dict[str, set[str]]:
    """Return the members of the resources in a Bundle, by type and id; all of them are tagged."""
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    found = [row["resource"] for row in answer.json().get("entry", ()) if "resource" in row]
    assert all("SUBSETTED" in {tag["code"] for tag in each["meta"]["tag"]} for each in found)
    return {f"{each['resourceType']}/{each['id']}": {*each} - {"resourceType", "id", "meta"} for each in found}


DOSE = {"status", "patient", "vaccineCode", "occurrenceDateTime"}  # what an Immunization must have
SEVERAL = [
    ("?_type=Patient,Organization&_id=p0,o0&_elements=name", {"Patient/p0": {"name"}, "Organization/o0": {"name"}}),
    (
        "?_type=Patient,Organization&_id=p0,o0&_elements=gender",
        {"Patient/p0": {"gender"}, "Organization/o0": set()},
    ),
    (
        "?_type=Patient,Organization&_id=p0,o0&_elements=Patient.name,id",
        {"Patient/p0": {"name"}, "Organization/o0": set()},
    ),
    ("?_type=Organization&_id=o0&_summary=text", {"Organization/o0": set()}),
    ("?_id=o0&_summary=data", {"Organization/o0": {"name", "identifier"}}),
    ("?_type=Organization&_id=o0&_summary=true", {"Organization/o0": {"name", "identifier"}}),
    ("/Patient/p0/*?_id=i0&_elements=lotNumber", {"Immunization/i0": {"lotNumber"} | DOSE}),
    ("/Patient/p0/Immunization?_summary=text", {"Immunization/i0": DOSE}),
    ("/Organization/o0/_history?_elements=name", {"Organization/o0": {"name"}}),
    ("/Organization/o0/_history?_summary=text", {"Organization/o0": set()}),
]


@pytest.mark.parametrize(("address", "expected"), SEVERAL, ids=[address for address, _ in SEVERAL])
async def test_parts_of_several_types_and_of_versions(
    stored: httpx.AsyncClient, address: str, expected: dict[str, set[str]]
) -> None:
    found = await parts(stored, f"/fhir{address}")
    modifying = {"implicitRules", "active"}
    assert {name: members - modifying for name, members in found.items()} == expected


async def test_parts_of_a_whole_history_follow_its_links(stored: httpx.AsyncClient) -> None:
    address: str | None = "/fhir/Patient/_history?_count=2&_elements=gender"
    seen: set[str] = set()
    while address:
        found = await parts(stored, address)
        assert all(members <= {"gender", "active", "deceasedBoolean", "link"} for members in found.values())
        seen |= found.keys()
        links = {row["relation"]: row["url"] for row in (await stored.get(address)).json()["link"]}
        address = links.get("next")
    assert {f"Patient/p{n}" for n in range(5)} <= seen


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("?_type=Patient,Organization&_elements=lotNumber", "lotNumber"),
        ("?_type=Patient,Organization&_elements=Immunization.lotNumber", "Immunization.lotNumber"),
        ("?_type=Patient&_include=Patient:organization", "_include"),
        ("?_type=Patient&_explain=true", "_explain"),
        ("?_type=Patient,Organization&_sort=name", "sorted by _lastUpdated"),
        ("/Patient/_history?_elements=lotNumber", "lotNumber"),
        ("/Patient/_history?_summary=count", "_summary=count"),
        ("/Patient/_history?_summary=short", "_summary"),
        ("/Patient/_history?_summary=true&_elements=name", "_elements"),
    ],
)
async def test_parts_that_cannot_be_told_are_refused(stored: httpx.AsyncClient, address: str, named: str) -> None:
    answer = await stored.get(f"/fhir{address}", headers={"accept-language": "vi"})
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["issue"][0]["diagnostics"]
