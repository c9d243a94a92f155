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
