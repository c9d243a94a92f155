"""Supplements: names and properties that somebody adds to another's code system.

https://hl7.org/fhir/R4/codesystem.html#supplements
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.http.serving import serving
from tests.http.terminology_examples import BASE, code_system, codes, concept, expanded, parts, told, value_set

Json = dict[str, Any]

URL = f"{BASE}/CodeSystem/diseases"


def supplement(name: str, supplements: str, *concepts: Json, **more: Any) -> Json:
    return code_system(f"{BASE}/{name}", *concepts, content="supplement", supplements=supplements, **more)


SUPPLEMENTS = [
    supplement("vietnamese", f"{URL}|2", concept("B05", "Sởi"), concept("A80", "Bại liệt", seen="rare"), language="vi"),
    supplement("other-version", f"{URL}|1", concept("B05", "Masern"), language="de"),
    supplement("retired", URL, concept("B05", "Rougeole"), language="fr", status="retired"),
    supplement("no-version", URL, concept("B05", "Sarampión"), concept("X99", "Nada"), language="es"),
]


@pytest.fixture(params=["in memory", "in rows"])
async def client(request: pytest.FixtureRequest, mongodb_uri: str, database: str) -> AsyncIterator[httpx.AsyncClient]:
    rows = [concept("B05", "Measles"), concept("A80", "Acute poliomyelitis")]
    if request.param == "in rows":
        rows += [concept(f"Z{at}", f"A disease with a long name that nobody ever had {at}") for at in range(4000)]
    async with serving(mongodb_uri, database) as client:
        for resource in (code_system(URL, *rows), *SUPPLEMENTS, value_set("two", listed_two())):
            answer = await client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
            assert answer.status_code == 201, answer.text
        yield client


def listed_two() -> Json:
    return {"system": URL, "filter": [{"property": "code", "op": "regex", "value": "[AB].*"}]}


async def test_what_supplements_add_is_part_of_the_code_system(client: httpx.AsyncClient) -> None:
    measles = await told(client, "CodeSystem/$lookup", system=URL, code="B05")
    assert measles["display"] == "Measles"
    names = {row["value"] for row in map(parts, measles["designation"])}
    assert {"Sởi", "Sarampión"} <= names
    assert names.isdisjoint({"Masern", "Rougeole"})
    polio = await told(client, "CodeSystem/$lookup", system=URL, code="A80", displayLanguage="vi", property="seen")
    assert (polio["display"], [parts(row)["value"] for row in polio["property"]]) == ("Bại liệt", ["rare"])

    expansion = await expanded(client, "two", displayLanguage="vi")
    assert [(row["code"], row["display"]) for row in expansion["contains"]] == [("B05", "Sởi"), ("A80", "Bại liệt")]
    right = await told(client, "CodeSystem/$validate-code", url=URL, code="B05", display="sởi")
    assert right["result"]


async def test_a_supplement_adds_no_codes(client: httpx.AsyncClient) -> None:
    assert not (await told(client, "CodeSystem/$validate-code", url=URL, code="X99"))["result"]


@pytest.mark.parametrize("client", ["in memory"], indirect=True)
async def test_a_typed_filter_finds_a_name_of_a_supplement(client: httpx.AsyncClient) -> None:
    assert codes(await expanded(client, "two", filter="bai liet")) == ["A80"]
