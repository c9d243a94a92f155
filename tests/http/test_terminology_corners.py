"""Terminology that is easily misread: spelling of codes, versions, odd filters, rings, locations of value sets.

https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.caseSensitive ·
https://hl7.org/fhir/R4/valueset-filter-operator.html · https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from typing import Any

import httpx
import pytest

from tests.http.terminology_examples import (
    BASE,
    CS,
    MAP,
    VS,
    Json,
    asked,
    code_system,
    codes,
    concept,
    outputs,
    parts,
    sent,
    stock,
    told,
    value_set,
    where,
)

SEXES, RING = f"{BASE}/CodeSystem/sexes", f"{BASE}/CodeSystem/ring"
LARGE = f"{BASE}/CodeSystem/large-sexes"
LEAVES = value_set("leaves", where("child", "exists", "false"))
FILTERED = [
    value_set("listed-sexes", {"system": SEXES, "concept": [{"code": "MALE"}, {"code": "Girl"}]}),
    value_set("below-female", where("concept", "is-a", "FEMALE", system=SEXES)),
    value_set("above-girl", where("concept", "generalizes", "GIRL", system=SEXES)),
    value_set("no-males", {"system": SEXES}, exclude=[{"system": SEXES, "concept": [{"code": "MALE"}]}]),
    value_set(
        "listed-but-one",
        {"system": SEXES, "concept": [{"code": "male"}, {"code": "girl"}]},
        exclude=[{"system": SEXES, "concept": [{"code": "MALE"}]}],
    ),
    LEAVES,
    value_set("parents-of-dog", where("child", "=", "dog")),
    value_set("named", where("display", "in", "Cat,Bat")),
    value_set("nameless", where("display", "exists", "false")),
    value_set("choosable", where("notSelectable", "=", "false")),
    value_set("groups", where("notSelectable", "=", "true")),
    value_set("misspelt", where("leg", "=", "4")),
    value_set("misspelt-not", where("leg", "not-in", "4")),
]


@pytest.fixture(scope="module")
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server that holds the definitions of the examples, and code systems that are seldom."""
    await stock(client)
    rows = [concept("male", "Male"), concept("female", "Female", concept("girl", "Girl"))]
    sexes = code_system(SEXES, *rows, caseSensitive=False)
    ring = code_system(
        RING, concept("p", "P", parent="q"), concept("q", "Q", parent="p"), concept("o", "O", parent="o")
    )
    sexes_map = {
        "resourceType": "ConceptMap",
        "id": "sexes",
        "url": f"{MAP}-sexes",
        "status": "active",
        "sourceUri": f"{VS}/listed-sexes|3",
        "targetCanonical": f"{VS}/latin",
        "group": [
            {
                "source": SEXES,
                "target": CS,
                "element": [{"code": "male", "target": [{"code": "dog", "equivalence": "relatedto"}]}],
            }
        ],
    }
    for resource in (sexes, ring, sexes_map, *FILTERED):
        answer = await client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text
    return client


async def expanded(client: httpx.AsyncClient, name: str, **params: Any) -> Json:
    answer = await client.get(f"/fhir/ValueSet/{name}/$expand", params=params)
    assert answer.status_code == 200, answer.text
    expansion: Json = answer.json()["expansion"]
    return expansion


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("listed-sexes", ["male", "girl"]),
        ("below-female", ["female", "girl"]),
        ("above-girl", ["girl", "female"]),
        ("no-males", ["female", "girl"]),
        ("listed-but-one", ["girl"]),
    ],
)
async def test_where_case_does_not_count_a_value_set_means_the_codes_of_the_system(
    stocked: httpx.AsyncClient, name: str, expected: list[str]
) -> None:
    assert codes(await expanded(stocked, name)) == expected
    for code in ("Male", "FEMALE", "girl"):
        found = await told(stocked, f"ValueSet/{name}/$validate-code", system=SEXES, code=code)
        assert found["result"] == (code.lower() in expected), code


async def test_where_case_does_not_count_resources_are_judged_as_the_service_judges(stocked: httpx.AsyncClient) -> None:
    url = f"{BASE}/StructureDefinition/no-males"
    bound = {"strength": "required", "valueSet": f"{VS}/no-males"}
    profile = {
        "resourceType": "StructureDefinition",
        "id": "no-males",
        "url": url,
        "name": "NoMales",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Observation",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Observation.code", "path": "Observation.code", "binding": bound}]},
    }
    answer = await stocked.put("/fhir/StructureDefinition/no-males", json=profile)
    assert answer.status_code == 201, answer.text
    for code, rules in (
        ("FEMALE", []),
        ("Male", ["Observation.code:binding"]),
        ("boy", ["Coding.code:unknown", "Observation.code:binding"]),
    ):
        seen = {"status": "final", "code": {"coding": [{"system": SEXES, "code": code}]}}
        body = {"resourceType": "Observation", "meta": {"profile": [url]}, **seen}
        issues = (await stocked.post("/fhir/Observation/$validate", json=body)).json()["issue"]
        errors = [issue for issue in issues if issue["severity"] == "error"]
        assert [issue["details"]["coding"][0]["code"] for issue in errors] == rules, code


async def test_where_case_does_not_count_a_map_does_not_count_it_either(stocked: httpx.AsyncClient) -> None:
    found = await told(stocked, "ConceptMap/$translate", system=SEXES, code="MALE")
    assert [parts(row)["concept"]["code"] for row in found["match"]] == ["dog"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leaves", ["dog", "cat", "dodo-dog", "hen", "bat"]),
        ("parents-of-dog", ["mammal"]),
        ("named", ["cat", "bat"]),
        ("nameless", []),
        ("choosable", ["mammal", "dog", "cat", "dodo-dog", "bird", "hen", "bat"]),
        ("groups", ["animal"]),
    ],
)
async def test_properties_that_every_concept_has_may_be_asked_for(
    stocked: httpx.AsyncClient, name: str, expected: list[str]
) -> None:
    assert codes(await expanded(stocked, name)) == expected


@pytest.mark.parametrize("name", ["misspelt", "misspelt-not"])
async def test_a_property_that_no_concept_has_is_refused_and_means_neither_all_nor_none(
    stocked: httpx.AsyncClient, name: str
) -> None:
    answer = await stocked.get(f"/fhir/ValueSet/{name}/$expand", headers={"Accept-Language": "vi"})
    [issue] = answer.json()["issue"]
    assert (answer.status_code, issue["code"]) == (422, "not-supported")
    assert "không có thuộc tính leg: bộ lọc có thể dùng" in issue["details"]["text"]
    answer = await stocked.get(f"/fhir/ValueSet/{name}/$validate-code", params={"system": CS, "code": "dog"})
    assert answer.status_code == 422


async def test_rows_answer_filters_by_child_and_by_unknown_properties_too(client: httpx.AsyncClient) -> None:
    rows = [
        concept(f"C{at}", f"A display that is long enough for many {at}", **({"parent": f"C{at // 10}"} if at else {}))
        for at in range(4000)
    ]
    resources = [
        code_system(LARGE, *rows, caseSensitive=False),
        value_set("large-leaves", where("child", "exists", "false", system=LARGE)),
        value_set("large-below", where("concept", "is-a", "c399", system=LARGE)),
        value_set("large-misspelt", where("leg", "=", "4", system=LARGE)),
    ]
    for resource in resources:
        await client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
    assert (await expanded(client, "large-leaves", count=0))["total"] == 3600
    assert codes(await expanded(client, "large-below")) == ["C399", *(f"C{at}" for at in range(3990, 4000))]
    assert (await client.get("/fhir/ValueSet/large-misspelt/$expand")).status_code == 422


@pytest.mark.parametrize(
    ("address", "values", "result", "says"),
    [
        ("CodeSystem/$validate-code", {"coding": {"system": CS, "code": "wolf", "version": "1"}}, True, None),
        ("CodeSystem/$validate-code", {"coding": {"system": CS, "code": "cat", "version": "1"}}, False, "animals|1"),
        ("CodeSystem/$validate-code", {"coding": {"system": CS, "code": "cat", "version": "9"}}, False, "version 9"),
        ("CodeSystem/animals/$validate-code", {"code": "cat", "version": "2"}, True, None),
        ("CodeSystem/animals/$validate-code", {"code": "cat", "version": "1"}, False, "version 1"),
        ("CodeSystem/animals/$validate-code", {"code": "cat", "system": f"{BASE}/x"}, False, "not of the code system"),
        ("ValueSet/all/$validate-code", {"code": "cat", "system": CS, "systemVersion": "9"}, False, "animals|9 is not"),
    ],
)
async def test_the_version_that_a_code_names_counts(
    stocked: httpx.AsyncClient, address: str, values: dict[str, Any], result: bool, says: str | None
) -> None:
    found = await asked(stocked, address, **values, **({"url": CS} if "CodeSystem/$" in address else {}))
    assert found["result"] == result
    assert (says is None) == ("message" not in found)
    assert says is None or says in found["message"]


@pytest.mark.parametrize(
    ("address", "beside", "says"),
    [
        ("CodeSystem/$lookup", {"system": f"{BASE}/x"}, "'system' says otherwise"),
        ("CodeSystem/$lookup", {"version": "1"}, "'version' says otherwise"),
        ("CodeSystem/$validate-code", {"display": "Hound"}, "'display' says otherwise"),
        ("ValueSet/all/$validate-code", {"systemVersion": "1"}, "'systemVersion' says otherwise"),
    ],
)
async def test_what_contradicts_a_coding_is_refused(
    stocked: httpx.AsyncClient, address: str, beside: dict[str, str], says: str
) -> None:
    coding = {"system": CS, "code": "dog", "version": "2", "display": "Dog"}
    answer = await stocked.post(f"/fhir/{address}", json=sent(coding=coding, **beside))
    assert (answer.status_code, says in answer.json()["issue"][0]["diagnostics"]) == (400, True)


async def test_what_a_coding_does_not_say_may_stand_beside_it(stocked: httpx.AsyncClient) -> None:
    coding = {"system": CS, "code": "wolf"}
    assert (await asked(stocked, "CodeSystem/$lookup", coding=coding, version="1"))["display"] == "Wolf"
    for display, result in (("Wolf", True), ("Cat", False)):
        values = {"coding": coding, "version": "1", "display": display}
        assert (await asked(stocked, "CodeSystem/$validate-code", **values))["result"] is result


async def test_of_a_ring_of_concepts_none_is_lost(stocked: httpx.AsyncClient) -> None:
    answer = await stocked.get("/fhir/ValueSet/$expand", params={"url": f"{RING}?fhir_vs", "excludeNested": "false"})
    top = answer.json()["expansion"]["contains"]
    assert [(row["code"], [below["code"] for below in row.get("contains", [])]) for row in top] == [
        ("q", ["p"]),
        ("o", []),
    ]
    for pair in ({"codeA": "p", "codeB": "q"}, {"codeA": "q", "codeB": "p"}):
        assert await told(stocked, "CodeSystem/$subsumes", system=RING, **pair) == {"outcome": "equivalent"}


@pytest.mark.parametrize("address", ["ConceptMap/$translate", "ValueSet/all/$validate-code"])
async def test_codings_without_a_system_do_not_keep_the_others_from_being_asked(
    stocked: httpx.AsyncClient, address: str
) -> None:
    concept = {"coding": [{"code": "local"}, {"system": CS}, {"system": CS, "code": "dog"}], "text": "a dog"}
    assert (await asked(stocked, address, codeableConcept=concept))["result"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "codeableConcept", "valueCodeableConcept": {}}]}
    assert (await stocked.post(f"/fhir/{address}", json=body)).status_code == 400


@pytest.mark.parametrize(
    ("params", "result"),
    [
        ({"source": f"{VS}/listed-sexes"}, True),
        ({"source": f"{VS}/listed-sexes|3"}, True),
        ({"source": f"{VS}/listed-sexes|4"}, False),
        ({"source": "ValueSet/listed-sexes"}, True),
        ({"source": "listed-sexes"}, True),
        ({"source": "{base}/ValueSet/listed-sexes"}, True),
        ({"source": "ValueSet/all"}, False),
        ({"target": f"{VS}/latin|7"}, True),
        ({"target": "urn:oid:2.16.840.1.113883.6.1"}, False),
    ],
    ids=str,
)
async def test_a_value_set_of_a_translation_is_named_by_url_location_or_id(
    stocked: httpx.AsyncClient, params: dict[str, str], result: bool
) -> None:
    base = (await stocked.get("/fhir/metadata")).json()["implementation"]["url"]
    named = {name: value.replace("{base}", base) for name, value in params.items()}
    assert (await told(stocked, "ConceptMap/$translate", system=SEXES, code="male", **named))["result"] == result


async def test_a_translation_by_the_location_of_no_value_set_is_refused(stocked: httpx.AsyncClient) -> None:
    params = {"system": SEXES, "code": "male", "source": "ValueSet/nobody"}
    assert (await stocked.get("/fhir/ConceptMap/$translate", params=params)).status_code == 404


async def test_an_expansion_tells_what_shaped_it_and_takes_an_empty_filter_for_none(stocked: httpx.AsyncClient) -> None:
    wanted = {"filter": "", "includeDesignations": "true", "designation": "urn:ietf:bcp:47|vi", "offset": 2}
    expansion = await expanded(stocked, "all", **wanted)
    assert (expansion["offset"], expansion["total"], len(expansion["contains"])) == (2, 8, 6)
    told = outputs(expansion)
    assert (told["includeDesignations"], told["designation"]) == (True, "urn:ietf:bcp:47|vi")
    assert "filter" not in told


async def test_a_large_count_is_no_error_where_the_expansion_is_small(stocked: httpx.AsyncClient) -> None:
    assert len((await expanded(stocked, "mammals", count=1_000_000))["contains"]) == 5
