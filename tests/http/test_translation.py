"""Codes in other code systems, and searches by what codes mean.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html · https://hl7.org/fhir/R4/search.html#modifiers
"""

from typing import Any

import httpx
import pytest

from tests.http.terminology_examples import (
    BASE,
    CS,
    MAP,
    UNKNOWN,
    VS,
    Json,
    outputs,
    parts,
    sent,
    stock,
    told,
)


@pytest.fixture(scope="module")
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server that holds the definitions of the examples."""
    return await stock(client)


# $translate


def matches(found: dict[str, Any]) -> list[tuple[str, str | None]]:
    rows = [parts(row) for row in found.get("match", [])]
    return [(row["equivalence"], row.get("concept", {}).get("code")) for row in rows]


TRANSLATIONS: list[tuple[str, dict[str, str], bool, list[tuple[str, str | None]]]] = [
    ("one", {"code": "dog", "targetsystem": f"{BASE}/latin"}, True, [("equivalent", "canis")]),
    (
        "one to many",
        {"code": "cat", "targetsystem": f"{BASE}/latin"},
        True,
        [("narrower", "felis"), ("narrower", "panthera")],
    ),
    ("unmatched", {"code": "bat", "targetsystem": f"{BASE}/latin"}, False, [("unmatched", None)]),
    ("fixed", {"code": "bird", "targetsystem": f"{BASE}/latin"}, True, [("relatedto", "bestia")]),
    ("provided", {"code": "bird", "targetsystem": f"{BASE}/same"}, True, [("relatedto", "bird")]),
    ("other map", {"code": "dog", "targetsystem": f"{BASE}/other"}, True, [("equal", "D")]),
    ("a ring of maps", {"code": "hen", "targetsystem": f"{BASE}/other"}, False, []),
    ("dependency not given", {"code": "hen", "targetsystem": f"{BASE}/latin"}, False, []),
]


@pytest.mark.parametrize(
    ("params", "result", "expected"), [row[1:] for row in TRANSLATIONS], ids=[row[0] for row in TRANSLATIONS]
)
async def test_translate_says_what_the_map_says(
    stocked: httpx.AsyncClient, params: dict[str, str], result: bool, expected: list[tuple[str, str | None]]
) -> None:
    found = await told(stocked, "ConceptMap/$translate", url=MAP, system=CS, **params)
    assert (found["result"], matches(found)) == (result, expected)
    assert result or found["message"]
    assert found == await told(stocked, "ConceptMap/animals/$translate", system=CS, **params)


async def test_translate_looks_for_maps_by_system_and_value_sets(stocked: httpx.AsyncClient) -> None:
    found = await told(stocked, "ConceptMap/$translate", system=CS, code="dog", targetsystem=f"{BASE}/latin")
    assert parts(found["match"][0])["source"] == f"{MAP}|7"
    named = {"system": CS, "code": "dog", "targetsystem": f"{BASE}/latin"}
    assert (await told(stocked, "ConceptMap/$translate", target=f"{VS}/latin", **named))["result"]
    assert not (await told(stocked, "ConceptMap/$translate", target=f"{VS}/greek", **named))["result"]
    assert not (await told(stocked, "ConceptMap/$translate", source=f"{VS}/plants", **named))["result"]


async def test_translate_backwards_turns_the_equivalence(stocked: httpx.AsyncClient) -> None:
    back = {"system": f"{BASE}/latin", "reverse": "true"}
    assert matches(await told(stocked, "ConceptMap/$translate", url=MAP, code="felis", **back)) == [("wider", "cat")]
    assert matches(await told(stocked, "ConceptMap/$translate", code="canis", **back)) == [("equivalent", "dog")]
    assert (await told(stocked, "ConceptMap/$translate", url=MAP, code="nihil", **back))["result"] is False


async def test_a_dependency_decides_and_products_come_along(stocked: httpx.AsyncClient) -> None:
    def question(sex: str) -> Json:
        body = sent(url=MAP, code="hen", system=CS, targetsystem=f"{BASE}/latin")
        concept = {"coding": [{"system": f"{BASE}/sexes", "code": sex}]}
        dependency = [
            {"name": "element", "valueUri": f"{BASE}/sex"},
            {"name": "concept", "valueCodeableConcept": concept},
        ]
        body["parameter"].append({"name": "dependency", "part": dependency})
        return body

    found = outputs((await stocked.post("/fhir/ConceptMap/$translate", json=question("female"))).json())
    assert matches(found) == [("wider", "gallina")]
    assert parts(found["match"][0])["product"]
    found = outputs((await stocked.post("/fhir/ConceptMap/$translate", json=question("male"))).json())
    assert not found["result"]
    assert f"{BASE}/sex" in found["message"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"url": f"{MAP}-none", "system": CS, "code": "dog"}, 404),
        ({"url": MAP, "code": "dog"}, 400),
        ({"url": MAP, "system": CS}, 400),
    ],
)
async def test_translate_refuses(stocked: httpx.AsyncClient, params: dict[str, str], status: int) -> None:
    assert (await stocked.get("/fhir/ConceptMap/$translate", params=params)).status_code == status


# Search by meaning


OBSERVED = {"dog": "dog", "cat": "cat", "hen": "hen", "bat": "bat"}
SEARCHES: list[tuple[str, set[str]]] = [
    (f"code:in={VS}/mammals", {"dog", "cat", "bat"}),
    (f"code:in={VS}/four-legs", {"dog", "cat"}),
    (f"code:in={VS}/regex", {"cat", "bat"}),
    (f"code:in={VS}/imported", {"dog", "cat", "hen", "bat"}),
    ("code:in=ValueSet/four-legs", {"dog", "cat"}),
    (f"code:in={VS}/four-legs,{VS}/listed", {"dog", "cat", "hen"}),
    (f"subject=Patient/zoo&code:not-in={VS}/four-legs", {"hen", "bat"}),
    (f"code:below={CS}|mammal", {"dog", "cat", "bat"}),
    (f"code:below={CS}|hen", {"hen"}),
    (f"code:above={CS}|hen", {"hen"}),
]


@pytest.mark.parametrize(("query", "expected"), SEARCHES)
async def test_searches_by_meaning_use_what_is_stored(
    stocked: httpx.AsyncClient, query: str, expected: set[str]
) -> None:
    for id, code in OBSERVED.items():
        resource = {
            "resourceType": "Observation",
            "status": "final",
            "id": id,
            "subject": {"reference": "Patient/zoo"},
            "code": {"coding": [{"system": CS, "code": code}]},
        }
        stored = await stocked.put(f"/fhir/Observation/{id}", json=resource)
        assert stored.status_code in (200, 201), stored.text
    answer = await stocked.get(f"/fhir/Observation?{query}")
    assert answer.status_code == 200, answer.text
    assert {row["resource"]["id"] for row in answer.json().get("entry", [])} == expected
    across = await stocked.get(f"/fhir?_type=Observation&{query}")
    assert {row["resource"]["id"] for row in across.json().get("entry", [])} == expected


@pytest.mark.parametrize("query", [f"code:in={VS}/nobody", f"code:below={UNKNOWN}|x", f"code:in={VS}/foreign-all"])
async def test_a_search_by_a_meaning_that_is_not_known_is_refused(stocked: httpx.AsyncClient, query: str) -> None:
    assert (await stocked.get(f"/fhir/Observation?{query}")).status_code == 400


# The national content


async def test_a_commune_that_was_split_has_several_successors_and_none_is_chosen(client: httpx.AsyncClient) -> None:
    old, new = (
        "https://fhir.tiemchung.vn/CodeSystem/commune-until-2025",
        "http://fhir.hl7.org.vn/core/CodeSystem/vn-ward-cs",
    )
    found = await told(client, "ConceptMap/$translate", system=old, code="00007", targetsystem=new)
    assert found["result"] is True
    assert matches(found) == [("inexact", "00008"), ("inexact", "00025")]
    back = await told(client, "ConceptMap/$translate", system=new, code="00008", targetsystem=old, reverse="true")
    assert "00007" in [code for _, code in matches(back)]


@pytest.mark.parametrize(("date", "result"), [("2019-05-31", True), ("2025-07-01", False)])
async def test_an_old_commune_holds_on_old_days(client: httpx.AsyncClient, date: str, result: bool) -> None:
    old = "https://fhir.tiemchung.vn/CodeSystem/commune-until-2025"
    found = await told(client, "CodeSystem/$validate-code", url=old, code="00007", date=date)
    assert found["result"] is result, found
