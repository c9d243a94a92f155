"""What is sent comes back: every value, every digit of a decimal, in the order it came.

https://hl7.org/fhir/R4/http.html#create · https://hl7.org/fhir/R4/datatypes.html#decimal
"""

from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import files, generate
from fhir_server import wire
from tests.http.serving import JSON, bundle, dose, entry

OFFICIAL = Path(__file__).parents[2] / "../shared/examples-r4"
FILES = sorted(OFFICIAL.glob("*-*.json"))
FIRST = ("resourceType", "id", "meta")  # what the server puts in front
GENERATED = 200


def exact(value: Any) -> Any:
    """Return `value` so that equal means: the same members in the same order, numbers with the same digits."""
    match value:
        case dict():
            return [(name, exact(member)) for name, member in value.items()]
        case list():
            return ["array", *(exact(item) for item in value)]
        case wire.Exact():
            return ("number", value.text)
        case _:
            return (type(value).__name__, value)


def content(resource: Any) -> Any:
    """Return what a client sent of `resource`: without the id, the version and the time that the server gives."""
    given = {
        name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")
    }
    rest = {name: value for name, value in resource.items() if name not in FIRST}
    return exact({"resourceType": resource["resourceType"], "meta": given, **rest})


def test_the_comparison_sees_digits_and_order() -> None:
    assert exact(wire.loads('{"a": 1.0}')) != exact(wire.loads('{"a": 1.00}'))
    assert exact(wire.loads('{"a": 1}')) != exact(wire.loads('{"a": 1.0}'))
    assert exact(wire.loads('{"a": 1, "b": 2}')) != exact(wire.loads('{"b": 2, "a": 1}'))
    assert exact(wire.loads('{"a": [1, true]}')) != exact(wire.loads('{"a": [1, 1]}'))


@pytest.mark.skipif(not FILES, reason="../shared/examples-r4 is missing: the official examples are NOT tried")
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
async def test_an_official_example_comes_back_as_it_was_sent(client: httpx.AsyncClient, file: Path) -> None:
    body = file.read_bytes()  # noqa: ASYNC240  # small, and nobody else waits
    sent = wire.loads(body)
    created = await client.post(f"/fhir/{sent['resourceType']}", content=body, headers=JSON)
    assert created.status_code == 201, created.text
    assert content(wire.loads(created.content)) == content(sent)
    read = await client.get(created.headers["location"])
    assert read.content == created.content
    address = f"/fhir/{sent['resourceType']}/{sent['id']}"
    put = await client.put(address, content=body, headers=JSON)
    assert put.status_code == 201, put.text
    assert content(wire.loads((await client.get(address)).content)) == content(sent)
    found = await client.get(f"/fhir/{sent['resourceType']}?_id={sent['id']}")
    assert put.content in found.content  # a page holds the very bytes
    assert put.content in (await client.get(f"{address}/_history")).content


async def test_generated_resources_come_back_as_they_were_sent(client: httpx.AsyncClient) -> None:
    sent: dict[str, Any] = {}
    for family in generate.bundles(12, 7, date(2026, 11, 1)):
        body = files.line(family)
        answer = await client.post("/fhir", content=body, headers=JSON)
        assert answer.status_code == 200, answer.text
        for row in wire.loads(body)["entry"]:
            sent[row["request"]["url"]] = row["resource"]
    assert {url.partition("/")[0] for url in sent} >= {"Patient", "Immunization", "ImmunizationRecommendation"}
    assert len(sent) >= GENERATED
    for url, resource in islice(reversed(sent.items()), GENERATED):  # people and doses come last
        assert content(wire.loads((await client.get(f"/fhir/{url}")).content)) == content(resource), url


NUMBERS = ["0.010", "1.0", "1E2", "1e-7", "-0.0", "100", "0", "12345678901234567.123456789", "1.50e+3"]


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_decimal_keeps_its_digits_through_every_door(client: httpx.AsyncClient, number: str) -> None:
    immunization = dose("Patient/1", id="digits", doseQuantity={"value": wire.Exact(number), "unit": "mL"})
    wanted = b'"value":' + number.encode() + b","
    put = await client.put("/fhir/Immunization/digits", content=wire.dumps(immunization), headers=JSON)
    assert put.status_code in (200, 201), put.text
    assert wanted in (await client.get("/fhir/Immunization/digits")).content
    assert wanted in (await client.get("/fhir/Immunization?_id=digits")).content
    assert wanted in (await client.get("/fhir/Immunization/digits/_history")).content
    for kind in ("batch", "transaction"):
        body = wire.dumps(bundle(kind, entry("POST", "Immunization", immunization)))
        answer = await client.post("/fhir", content=body, headers={**JSON, "prefer": "return=representation"})
        assert wanted in answer.content, kind
    pretty = (await client.get("/fhir/Immunization/digits?_pretty=true")).content
    assert b'"value": ' + number.encode() in pretty


TEXTS = [
    "Đỗ Thị Ngọc Bích",
    "Nguye\u0302\u0303n",
    "👶🏽",
    'a "b" \\ / <c>&',
    "tab\tand\nline",
    "\u00a0\u200b\u2028",
    "\x7f",
]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
async def test_a_text_comes_back_sign_by_sign(client: httpx.AsyncClient, text: str) -> None:
    answer = await client.post("/fhir/Patient", json={"resourceType": "Patient", "name": [{"text": text}]})
    assert answer.status_code == 201, answer.text
    assert (await client.get(answer.headers["location"])).json()["name"] == [{"text": text}]
