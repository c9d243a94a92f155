"""$closure: the table by which a client finds the kinds of a concept by itself.

https://hl7.org/fhir/R4/conceptmap-operation-closure.html · https://hl7.org/fhir/R4/terminology-service.html#closure
"""
# ruff: noqa: E501 (tables with one case a line)

import asyncio
import itertools
import uuid
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.operations.terminology import closure
from fhir_server.store.closures import Named
from terminology.concepts import Concept
from tests.http.serving import serving
from tests.http.terminology_examples import CS, PLACES, UNKNOWN, code_system, concept, stock

Json = dict[str, Any]
Relation = tuple[str, str, str | None]  # a code, its equivalence, the other code

FOLDED, PARTS = (f"http://example.org/fhir/CodeSystem/{name}" for name in ("folded", "parts"))


@pytest.fixture(scope="module")
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server that holds the definitions of the examples, and a code system that does not tell capitals."""
    await stock(client)
    folded = code_system(FOLDED, concept("Tree", "Tree", concept("Oak", "Oak")), caseSensitive=False)
    parts = code_system(PARTS, concept("country", "C", concept("province", "P")), hierarchyMeaning="part-of")
    for system in (folded, parts):
        assert (await client.put(f"/fhir/CodeSystem/{system['id']}", json=system)).status_code in (200, 201)
    return client


def fresh() -> str:
    return uuid.uuid4().hex


async def asked(
    client: httpx.AsyncClient, name: str, *codes: str, system: str = CS, version: int | str | None = None
) -> httpx.Response:
    rows: list[Json] = [{"name": "name", "valueString": name}]
    rows += [{"name": "concept", "valueCoding": {"system": system, "code": code}} for code in codes]
    rows += [] if version is None else [{"name": "version", "valueId": str(version)}]
    return await client.post("/fhir/$closure", json={"resourceType": "Parameters", "parameter": rows})


def told(answer: httpx.Response) -> tuple[str, set[Relation]]:
    """Return the version of the table and the relations of the answer."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["resourceType"] == "ConceptMap"
    groups = found.get("group", [])
    assert all(group["source"] == group["target"] for group in groups)
    relations = [
        (element["code"], target["equivalence"], target.get("code"))
        for group in groups
        for element in group["element"]
        for target in element["target"]
    ]
    assert len(relations) == len({*relations})
    return found["version"], {*relations}


def above(*pairs: str) -> set[Relation]:
    """Return "dog<mammal" as a relation: what mammal subsumes."""
    return {(code, "subsumes", other) for code, _, other in (pair.partition("<") for pair in pairs)}


# the codes of each call, and what is new by each
TABLES: list[tuple[str, list[list[str]], list[set[Relation]]]] = [
    ("one concept", [["dog"]], [set()]),
    ("the kind first", [["mammal"], ["dog"]], [set(), above("dog<mammal")]),
    ("the kind later", [["dog"], ["mammal"]], [set(), above("dog<mammal")]),
    ("together", [["dog", "mammal", "hen"]], [above("dog<mammal")]),
    ("across a gap", [["dog"], ["animal"]], [set(), above("dog<animal")]),
    ("the gap filled", [["dog", "animal"], ["mammal"]], [above("dog<animal"), above("dog<mammal", "mammal<animal")]),
    ("brothers", [["dog", "cat"]], [set()]),
    ("by property", [["bat", "mammal"]], [above("bat<mammal")]),
    ("inactive", [["dodo-dog", "mammal"]], [above("dodo-dog<mammal")]),
    ("again", [["dog", "mammal"], ["dog", "mammal"]], [above("dog<mammal"), set()]),
    ("twice at once", [["dog", "dog", "mammal"]], [above("dog<mammal")]),
    ("an unknown code", [["dog"], ["unicorn", "mammal"]], [set(), above("dog<mammal") | {("unicorn", "unmatched", None)}]),
]  # fmt: skip


@pytest.mark.parametrize(("calls", "expected"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
async def test_each_call_tells_what_is_new(
    stocked: httpx.AsyncClient, calls: list[list[str]], expected: list[set[Relation]]
) -> None:
    name = fresh()
    assert told(await asked(stocked, name)) == ("0", set())
    found = [told(await asked(stocked, name, *codes)) for codes in calls]
    assert [relations for _, relations in found] == expected
    # from each version on: what came after it
    matched = [{each for each in relations if each[1] != "unmatched"} for relations in expected]
    last = int(found[-1][0])
    assert told(await asked(stocked, name, version=0)) == (str(last), set().union(*matched))
    assert told(await asked(stocked, name, version=last)) == (str(last), set())
    first = int(found[0][0])
    assert told(await asked(stocked, name, version=first)) == (str(last), set().union(*matched[1:]))


async def test_what_adds_nothing_makes_no_version(stocked: httpx.AsyncClient) -> None:
    name = fresh()
    await asked(stocked, name)
    versions = [told(await asked(stocked, name, *codes))[0] for codes in (["dog"], ["dog"], ["unicorn"], ["cat"])]
    assert versions == ["1", "1", "1", "2"]


async def test_the_name_alone_begins_anew(stocked: httpx.AsyncClient) -> None:
    name = fresh()
    for _ in range(2):
        assert told(await asked(stocked, name)) == ("0", set())
        assert told(await asked(stocked, name, "dog")) == ("1", set())
    answer = await asked(stocked, name, version=2)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "processing")


async def test_tables_know_nothing_of_each_other(stocked: httpx.AsyncClient) -> None:
    one, other = fresh(), fresh()
    for name in (one, other):
        await asked(stocked, name)
    await asked(stocked, one, "mammal")
    assert told(await asked(stocked, other, "dog")) == ("1", set())


async def test_code_systems_are_kept_apart(stocked: httpx.AsyncClient) -> None:
    name = fresh()
    await asked(stocked, name)
    await asked(stocked, name, "Tree", system=FOLDED)
    assert told(await asked(stocked, name, "dog", "mammal"))[1] == above("dog<mammal")
    answer = await asked(stocked, name, "oak", system=FOLDED)
    assert told(answer)[1] == above("Oak<Tree")  # as the code system writes it
    assert [group["source"] for group in answer.json()["group"]] == [FOLDED]


@pytest.mark.parametrize(
    ("system", "codes", "expected"),
    [
        (PLACES, ["00001", "00099"], set()),
        (PARTS, ["country", "province"], set()),
        (UNKNOWN, ["x"], {("x", "unmatched", None)}),
    ],
    ids=["a flat one", "a hierarchy that is not is-a", "an unknown code system"],
)
async def test_where_nothing_subsumes(
    stocked: httpx.AsyncClient, system: str, codes: list[str], expected: set[Relation]
) -> None:
    name = fresh()
    await asked(stocked, name)
    assert told(await asked(stocked, name, *codes, system=system))[1] == expected


async def test_what_a_code_system_says_later_counts_from_then_on(stocked: httpx.AsyncClient) -> None:
    name, url = fresh(), f"http://example.org/fhir/CodeSystem/{fresh()}"
    system = code_system(url, concept("a", "A", concept("b", "B")))
    address = f"/fhir/CodeSystem/{system['id']}"
    assert (await stocked.put(address, json=system)).status_code == 201
    await asked(stocked, name)
    assert told(await asked(stocked, name, "a", "b", system=url))[1] == above("b<a")
    flat = {**system, "version": "3", "concept": [{"code": "b"}, {"code": "c"}]}
    assert (await stocked.put(address, json=flat)).status_code == 200
    assert told(await asked(stocked, name, version=0)) == ("1", set())


async def test_those_who_add_at_the_same_time_lose_nothing(stocked: httpx.AsyncClient) -> None:
    name = fresh()
    await asked(stocked, name)
    codes = ("animal", "mammal", "dog", "cat", "bird", "hen")
    answers = [told(each) for each in await asyncio.gather(*(asked(stocked, name, code) for code in codes))]
    assert sorted(version for version, _ in answers) == ["1", "2", "3", "4", "5", "6"]
    every = above(*(f"{code}<animal" for code in codes[1:]), "dog<mammal", "cat<mammal", "hen<bird")
    assert sorted(itertools.chain(*(found for _, found in answers))) == sorted(every)  # each once
    assert told(await asked(stocked, name, version=0)) == ("6", every)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([], 400),
        ([{"name": "name", "valueString": "x" * 129}], 400),
        ([{"name": "concept", "valueCoding": {"system": CS, "code": "dog"}}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "concept", "valueString": "dog"}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "concept", "valueCoding": {"code": "dog"}}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "concept", "valueCoding": {"system": CS, "code": "dog"}}, {"name": "concept", "valueString": "dog"}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "concept", "valueCoding": {"system": CS, "code": "dog", "version": "1"}}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "concept", "valueCoding": {"system": CS, "code": "dog"}}, {"name": "version", "valueId": "1"}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "version", "valueId": "one"}], 400),
        ([{"name": "name", "valueString": "a"}, {"name": "other", "valueId": "1"}], 400),
        ([{"name": "name", "valueString": "nobody began this"}, {"name": "version", "valueId": "1"}], 404),
        ([{"name": "name", "valueString": "nobody began this"}, {"name": "concept", "valueCoding": {"system": CS, "code": "dog"}}], 404),
    ],
    ids=[
        *("nothing", "a long name", "no name", "a text for a concept", "no system", "texts among concepts", "a version of the code system"),
        *("concepts and version", "no number", "an unknown parameter", "no table to go on", "no table to add to"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused(stocked: httpx.AsyncClient, rows: list[Json], status: int) -> None:
    answer = await stocked.post("/fhir/$closure", json={"resourceType": "Parameters", "parameter": rows})
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("name", "limit", "codes"),
    [
        ("AT_ONCE", 1, ["dog", "cat"]),
        ("MOST", 1, ["dog", "cat"]),
        ("ENTRIES", 1, ["dog", "mammal", "animal"]),
        ("SYSTEMS", 0, ["dog"]),
    ],
)
async def test_tables_and_calls_are_bounded(
    stocked: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, codes: list[str]
) -> None:
    table = fresh()
    await asked(stocked, table)
    monkeypatch.setattr(closure, name, limit)
    answer = await asked(stocked, table, *codes)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "too-costly")
    monkeypatch.undo()
    assert told(await asked(stocked, table, version=0)) == ("0", set())  # nothing was added


ABOVE = {"a": "", "b": "a", "c": "ab", "d": "ab", "e": "abcd", "f": ""}  # a code, and all that is above it
KNOWN = {("s", code): Concept({"code": code}, 0, (), frozenset(ups)) for code, ups in ABOVE.items()}


@given(st.permutations(sorted(ABOVE)), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_every_relation_is_told_once_whatever_the_order(codes: list[str], steps: list[int]) -> None:
    versions = list(itertools.accumulate(steps, initial=0))[1:]
    table = [Named("s", code, version) for code, version in zip(codes, versions, strict=True)]
    grown = [[each for each in table if each.since <= version] for version in range(versions[-1] + 1)]
    told = [relation for version, part in enumerate(grown) for relation in closure.relations(part, KNOWN, version - 1)]
    assert sorted(told) == sorted((("s", code), up) for code, ups in ABOVE.items() for up in ups)


async def test_code_systems_in_the_database_are_asked_as_well(mongodb_uri: str, database: str) -> None:
    url = f"http://example.org/fhir/CodeSystem/{database}"
    name = "A concept with a display that is long enough to make it large"
    rows = [concept(f"C{at}", f"{name} {at}", **({"parent": f"C{at // 10}"} if at else {})) for at in range(4_000)]
    async with serving(mongodb_uri, database) as client:
        stored = await client.put("/fhir/CodeSystem/large", json={**code_system(url, *rows), "id": "large"})
        assert stored.status_code == 201
        for _ in range(600):  # until its concepts are indexed
            known = await client.get("/fhir/CodeSystem/$lookup", params={"system": url, "code": "C1"})
            if known.status_code != 503:
                break
            await asyncio.sleep(0.1)
        assert told(await asked(client, "one")) == ("0", set())
        assert told(await asked(client, "one", "C5", "C3999", system=url))[1] == set()
        assert told(await asked(client, "one", "C39", system=url))[1] == above("C3999<C39")
