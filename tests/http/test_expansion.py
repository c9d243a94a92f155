"""Value sets as lists of codes; large code systems.

https://hl7.org/fhir/R4/valueset-operation-expand.html
"""

import asyncio

import httpx
import pytest

from tests.http.serving import serving
from tests.http.terminology_examples import (
    ANIMALS,
    BASE,
    CS,
    VS,
    Json,
    code_system,
    codes,
    concept,
    expanded,
    listed,
    parts,
    sent,
    stock,
    told,
    value_set,
    where,
)


@pytest.fixture(scope="module")
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server that holds the definitions of the examples."""
    return await stock(client)


# $expand


EVERY = ["animal", "mammal", "dog", "cat", "dodo-dog", "bird", "hen", "bat"]
EXPANSIONS: list[tuple[str, list[str]]] = [
    ("all", EVERY),
    ("mammals", ["mammal", "dog", "cat", "dodo-dog", "bat"]),
    ("below-mammal", ["dog", "cat", "dodo-dog", "bat"]),
    ("not-mammals", ["animal", "bird", "hen"]),
    ("above-dog", ["dog", "animal", "mammal"]),
    ("some", ["hen", "dog"]),
    ("but-some", ["animal", "mammal", "cat", "dodo-dog", "bird", "bat"]),
    ("four-legs", ["dog", "cat"]),
    ("coloured", ["cat"]),
    ("colourless", ["animal", "mammal", "dog", "dodo-dog", "bird", "hen", "bat"]),
    ("regex", ["animal", "mammal", "cat", "bat"]),
    ("legs-regex", ["dog", "cat"]),
    ("called", ["cat"]),
    ("children", ["dog", "cat", "dodo-dog", "bat"]),
    ("gone", ["dodo-dog"]),
    ("two-filters", ["bat"]),
    ("listed", ["hen", "dog"]),
    ("without", ["animal", "bird"]),
    ("imported", ["mammal", "dog", "cat", "dodo-dog", "hen", "bat"]),
    ("common", ["bat"]),
    ("both", ["dog", "cat"]),
    ("active", ["mammal", "dog", "cat", "bat"]),
    ("two-systems", ["dog", "00004", "00099"]),
    ("first", ["dog", "wolf"]),
    ("foreign", ["x"]),
    ("old-listed", ["a", "b"]),
]


@pytest.mark.parametrize(("name", "expected"), EXPANSIONS, ids=[row[0] for row in EXPANSIONS])
async def test_a_value_set_expands_to_its_codes(stocked: httpx.AsyncClient, name: str, expected: list[str]) -> None:
    expansion = await expanded(stocked, name)
    assert codes(expansion) == expected
    assert expansion["total"] == len(expected)
    for code in expected:  # the same answer, asked one by one
        system = next(row["system"] for row in expansion["contains"] if row["code"] == code)
        asked_one = await told(stocked, "ValueSet/$validate-code", url=f"{VS}/{name}", system=system, code=code)
        assert asked_one["result"], (name, code)


NARROWED: list[tuple[dict[str, str], list[str]]] = [
    ({"filter": "do"}, ["dog", "dodo-dog"]),
    ({"filter": "CON CHO"}, ["dog"]),
    ({"filter": "dong duong"}, ["dog"]),
    ({"filter": "mèo"}, ["cat"]),
    ({"filter": "zebra"}, []),
    ({"activeOnly": "true"}, [code for code in EVERY if code != "dodo-dog"]),
    ({"excludeNotForUI": "true"}, EVERY[1:]),
    ({"count": "3"}, EVERY[:3]),
    ({"count": "3", "offset": "3"}, EVERY[3:6]),
    ({"count": "3", "offset": "9"}, []),
    ({"count": "0"}, []),
    ({"exclude-system": CS}, []),
    ({"exclude-system": f"{CS}|9"}, EVERY),
    ({"system-version": f"{CS}|1"}, ["dog", "wolf"]),
    ({"check-system-version": f"{CS}|1"}, ["dog", "wolf"]),
    ({"force-system-version": f"{CS}|1"}, ["dog", "wolf"]),
]


@pytest.mark.parametrize(("params", "expected"), NARROWED, ids=[str(row[0]) for row in NARROWED])
async def test_an_expansion_is_narrowed(
    stocked: httpx.AsyncClient, params: dict[str, str], expected: list[str]
) -> None:
    expansion = await expanded(stocked, "all", **params)
    assert codes(expansion) == expected
    paged = "count" in params
    assert expansion["total"] == (len(EVERY) if paged else len(expected))
    names = {row["name"] for row in expansion["parameter"]}
    assert set(params) - names <= set(), "what shaped the expansion is told"


async def test_pages_cover_value_sets_of_several_systems(stocked: httpx.AsyncClient) -> None:
    whole = codes(await expanded(stocked, "two-systems"))
    pages = [codes(await expanded(stocked, "two-systems", offset=at, count=1)) for at in range(len(whole) + 1)]
    assert pages == [[code] for code in whole] + [[]]


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("first", {"check-system-version": f"{CS}|2"}, 422),
        ("first", {"force-system-version": f"{CS}|2"}, EVERY),
        ("first", {"system-version": f"{CS}|2"}, ["dog", "wolf"]),
        ("wards", {"date": "2019"}, ["00001", "00099"]),
        ("wards", {"date": "2025-07-01"}, ["00004", "00099"]),
        ("wards", {}, ["00004", "00099"]),
    ],
)
async def test_versions_and_dates_decide(
    stocked: httpx.AsyncClient, name: str, params: dict[str, str], expected: list[str] | int
) -> None:
    answer = await stocked.get("/fhir/ValueSet/$expand", params={"url": f"{VS}/{name}", **params})
    found = codes(answer.json()["expansion"]) if answer.status_code == 200 else answer.status_code
    assert found == expected


async def test_an_expansion_tells_versions_displays_and_states(stocked: httpx.AsyncClient) -> None:
    expansion = await expanded(stocked, "mammals")
    assert {"name": "version", "valueUri": f"{CS}|2"} in expansion["parameter"]
    rows = {row["code"]: row for row in expansion["contains"]}
    assert rows["dog"] == {"system": CS, "version": "2", "code": "dog", "display": "Dog"}
    assert rows["dodo-dog"]["inactive"] is True
    assert (await expanded(stocked, "all"))["contains"][0]["abstract"] is True
    assert (await expanded(stocked, "listed"))["contains"][0]["display"] == "Chicken"
    vietnamese = await expanded(stocked, "listed", displayLanguage="vi")
    assert [row["display"] for row in vietnamese["contains"]] == ["Hen", "Con chó Đông Dương"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, 0),
        ({"includeDesignations": "false"}, 0),
        ({"includeDesignations": "true"}, 1),
        ({"designation": "urn:ietf:bcp:47|vi"}, 1),
        ({"designation": "vi"}, 1),
        ({"designation": "urn:ietf:bcp:47|fr"}, 0),
    ],
)
async def test_designations_come_when_asked_for(
    stocked: httpx.AsyncClient, params: dict[str, str], expected: int
) -> None:
    [row] = (await expanded(stocked, "coloured", **params))["contains"]
    assert len(row.get("designation", [])) == expected


async def test_an_expansion_may_be_nested(stocked: httpx.AsyncClient) -> None:
    top = (await expanded(stocked, "all", excludeNested="false"))["contains"]
    assert [row["code"] for row in top] == ["animal"]
    assert [row["code"] for row in top[0]["contains"]] == ["mammal", "bird"]
    assert [row["code"] for row in top[0]["contains"][0]["contains"]] == ["dog", "cat", "dodo-dog", "bat"]


async def test_the_definition_comes_when_asked_for(stocked: httpx.AsyncClient) -> None:
    for asked_for in (True, False):
        answer = await stocked.get(f"/fhir/ValueSet/all/$expand?includeDefinition={str(asked_for).lower()}")
        assert ("compose" in answer.json()) is asked_for
        assert answer.json()["url"] == f"{VS}/all"


@pytest.mark.parametrize(
    ("params", "status", "says"),
    [
        ({"url": f"{VS}/nobody"}, 404, "not known"),
        ({"url": f"{VS}/foreign-all"}, 422, "not known here"),
        ({"url": f"{VS}/old"}, 422, "in part only"),
        ({"url": f"{VS}/orphan"}, 422, "nobody"),
        ({"url": f"{VS}/ring"}, 422, "imports itself"),
        ({"url": f"{VS}/odd-filter"}, 422, "is-a"),
        ({"url": f"{VS}/lookahead"}, 422, "regular expression"),
        ({}, 400, "url"),
        ({"context": "http://example.org/p#Patient.gender"}, 400, "context"),
        ({"url": f"{VS}/all", "count": "-1"}, 400, "count"),
        ({"url": f"{VS}/all", "system-version": CS}, 400, "version"),
    ],
)
async def test_expand_refuses(stocked: httpx.AsyncClient, params: dict[str, str], status: int, says: str) -> None:
    answer = await stocked.get("/fhir/ValueSet/$expand", params=params)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert says in answer.json()["issue"][0]["details"]["text"]


async def test_a_value_set_sent_along_is_expanded(stocked: httpx.AsyncClient) -> None:
    answer = await stocked.post("/fhir/ValueSet/$expand", json=sent(valueSet=value_set("mine", listed("dog", "hen"))))
    assert codes(answer.json()["expansion"]) == ["dog", "hen"]


# Value sets that only a code system implies


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{CS}?fhir_vs", EVERY),
        (f"{CS}?fhir_vs=isa/mammal", ["mammal", "dog", "cat", "dodo-dog", "bat"]),
        (f"{CS}?fhir_vs=isa/hen", ["hen"]),
    ],
    ids=["all codes", "a code and those below it", "a leaf"],
)
async def test_a_code_system_implies_value_sets(stocked: httpx.AsyncClient, url: str, expected: list[str]) -> None:
    answer = await stocked.get("/fhir/ValueSet/$expand", params={"url": url})
    assert codes(answer.json()["expansion"]) == expected
    inside = [await told(stocked, "ValueSet/$validate-code", url=url, system=CS, code=code) for code in EVERY]
    assert [code for code, answer in zip(EVERY, inside, strict=True) if answer["result"]] == [
        code for code in EVERY if code in expected
    ]


@pytest.mark.parametrize("url", [f"{CS}?fhir_vs=refset", f"{CS}?fhir_vs=isa/", "?fhir_vs"])
async def test_other_forms_imply_nothing(stocked: httpx.AsyncClient, url: str) -> None:
    assert (await stocked.get("/fhir/ValueSet/$expand", params={"url": url})).status_code == 404


# Large code systems


async def test_a_large_code_system_answers_from_rows_and_parts_make_a_whole(client: httpx.AsyncClient) -> None:
    url, count = f"{BASE}/CodeSystem/large", 6000

    def part(number: int) -> Json:
        rows = [
            concept(f"C{at}", f"Số {at} Đống Đa", **({"parent": f"C{at // 10}"} if at else {}))
            for at in range(number, count, 2)
        ]
        return {**code_system(url, *rows, content="fragment", count=count), "id": f"large-{number}"}

    assert (await client.put("/fhir/CodeSystem/large-0", json=part(0))).status_code == 201
    half = await told(client, "CodeSystem/$validate-code", url=url, code="C1")
    assert (half["result"], "only a part" in half["message"]) == (False, True)
    assert (await client.put("/fhir/CodeSystem/large-1", json=part(1))).status_code == 201
    assert (await told(client, "CodeSystem/$validate-code", url=url, code="C1"))["result"]
    assert "Unknown code 'C6000'" in (await told(client, "CodeSystem/$validate-code", url=url, code="C6000"))["message"]
    assert await told(client, "CodeSystem/$subsumes", system=url, codeA="C5", codeB="C5999") == {"outcome": "subsumes"}
    found = await told(client, "CodeSystem/$lookup", system=url, code="C12", property="child")
    assert sorted(parts(row)["value"] for row in found["property"]) == [f"C{at}" for at in range(120, 130)]

    await client.put("/fhir/ValueSet/large", json=value_set("large", where("concept", "is-a", "C5", system=url)))
    whole = 1 + 10 + 100 + 1000
    assert (await expanded(client, "large", count=0))["total"] == whole
    pages = [codes(await expanded(client, "large", offset=at, count=300)) for at in range(0, 1500, 300)]
    assert len({code for page in pages for code in page}) == whole
    assert codes(await expanded(client, "large", filter="dong da so 5999")) == ["C5999"]


async def test_an_expansion_that_is_too_long_is_refused(mongodb_uri: str, database: str) -> None:
    async with serving(mongodb_uri, database, max_expansion=5) as small:
        for resource in (
            ANIMALS,
            value_set("all", {"system": CS}),
            value_set("mammals", where("concept", "is-a", "mammal")),
        ):
            await small.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        for count in ({}, {"count": 6}, {"count": 99_999}):
            answer = await small.get("/fhir/ValueSet/all/$expand", params=count)
            assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "too-costly")
        assert len(codes(await expanded(small, "all", count=5, offset=2))) == 5
        assert len(codes(await expanded(small, "mammals"))) == 5


async def test_several_who_need_the_rows_at_once_all_get_them(client: httpx.AsyncClient) -> None:
    url = f"{BASE}/CodeSystem/rush"
    rows = [
        concept(f"C{at}", f"A display that is long enough to make the code system large {at}") for at in range(4000)
    ]
    assert (await client.put("/fhir/CodeSystem/rush", json=code_system(url, *rows))).status_code == 201
    found = await asyncio.gather(
        *(told(client, "CodeSystem/$lookup", system=url, code=f"C{at}") for at in range(0, 4000, 400))
    )
    assert [row["display"].rpartition(" ")[2] for row in found] == [str(at) for at in range(0, 4000, 400)]
