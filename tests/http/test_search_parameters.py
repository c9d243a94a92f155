"""https://hl7.org/fhir/R4/searchparameter.html: users' own search parameters, from upload to retirement."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.http.serving import PATIENT, bundle, dose, entry, serving

Json = dict[str, Any]
Admin = MongoClient[dict[str, Any]]
BOX = "http://example.vn/fhir/sid/box"


def parameter(code: str, /, **changes: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.vn/fhir/SearchParameter/{code}",
        "name": code.title().replace("-", ""),
        "status": "active",
        "description": "For a test",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.identifier.where(system = '{BOX}')",
        **changes,
    }


def boxed(value: str) -> Json:
    return {**PATIENT, "identifier": [*PATIENT["identifier"], {"system": BOX, "value": value}]}


@pytest.fixture
def name(mongodb_uri: str) -> Iterator[str]:
    """A database of the test's own."""
    name = f"sp_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient[dict[str, Any]](mongodb_uri) as admin:
        admin.drop_database(name)


@pytest.fixture
async def client(mongodb_uri: str, name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(mongodb_uri, name) as client:
        yield client


@contextmanager
def somebody_behind(mongodb_uri: str, name: str) -> Iterator[None]:
    """Another process on the database that does not take up new definitions: nothing can be built meanwhile."""
    with MongoClient[dict[str, Any]](mongodb_uri) as admin:
        processes = admin[name]["processes"]
        told = {"generation": 0, "environment": "", "seen": datetime(2100, 1, 1, tzinfo=UTC)}
        processes.insert_one({"_id": "behind", **told})
        yield
        processes.delete_one({"_id": "behind"})


async def found(client: httpx.AsyncClient, query: str) -> set[str] | None:
    """Return the ids of what a search finds; None while it is refused because the index is being built."""
    answer = await client.get(f"/fhir/{query}")
    if answer.status_code == 400 and answer.json()["issue"][0]["code"] == "transient":
        return None
    assert answer.status_code == 200, answer.text
    return {row["resource"]["id"] for row in answer.json().get("entry", [])}


async def built(client: httpx.AsyncClient, query: str) -> set[str]:
    """Return the ids of what a search finds as soon as it can be asked."""
    deadline = time.monotonic() + 40
    while (ids := await found(client, query)) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    return ids


async def stored(client: httpx.AsyncClient, resource: Json) -> str:
    answer = await client.post(f"/fhir/{resource['resourceType']}", json=resource)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def listed(client: httpx.AsyncClient, type: str) -> set[str]:
    """Return the codes of the search parameters that /metadata says `type` has."""
    [row] = [row for row in (await client.get("/fhir/metadata")).json()["rest"][0]["resource"] if row["type"] == type]
    return {each["name"] for each in row["searchParam"]}


async def test_a_parameter_finds_what_was_stored_before_it_and_after_it(client: httpx.AsyncClient) -> None:
    before, other = await stored(client, boxed("7")), await stored(client, boxed("8"))
    await stored(client, parameter("box"))
    after = await stored(client, boxed("7"))
    assert await built(client, f"Patient?box={BOX}|7") == {before, after}
    assert await built(client, "Patient?box:not=7") == {other}
    assert "box" in await listed(client, "Patient")
    assert await built(client, f"Immunization?patient.box={BOX}|7") == set()


async def test_until_it_is_built_a_parameter_is_refused_not_answered_wrongly(
    client: httpx.AsyncClient, mongodb_uri: str, name: str
) -> None:
    person = await stored(client, boxed("7"))
    with somebody_behind(mongodb_uri, name):
        await stored(client, parameter("box"))
        answer = await client.get("/fhir/Patient?box=7")
        assert answer.status_code == 400
        [issue] = answer.json()["issue"]
        assert issue["code"] == "transient"
        assert "box cannot be searched yet: its index is being built (0 % done)" in issue["diagnostics"]
        for query in ("Patient?_sort=box", "Immunization?patient.box=7", "Patient?_filter=box eq 7"):
            assert await found(client, query) is None, query
        lenient = await client.get("/fhir/Patient?box=7", headers={"prefer": "handling=lenient"})
        assert lenient.status_code == 400
        assert "box" not in await listed(client, "Patient")
        [row] = (await client.get("/fhir/$reindex")).json()["parameter"]
        assert row["part"][:3] == [
            {"name": "code", "valueCode": "Patient"},
            {"name": "state", "valueCode": "waiting"},
            {"name": "parameter", "valueString": "box"},
        ]
        assert await found(client, "Patient?identifier=001225000012") == {person}  # the others go on
    assert await built(client, "Patient?box=7") == {person}
    [row] = (await client.get("/fhir/$reindex?type=Patient")).json()["parameter"]
    told = {part["name"]: next(value for key, value in part.items() if key != "name") for part in row["part"]}
    assert (told["state"], told["done"]) == ("built", 1)


async def test_wildcard_includes_are_refused_while_one_of_their_references_is_built(
    client: httpx.AsyncClient, mongodb_uri: str, name: str
) -> None:
    person = await stored(client, PATIENT)
    shot = await stored(client, dose(f"Patient/{person}"))
    told = parameter("person", base=["Immunization"], type="reference", expression="Immunization.patient.where(true)")
    told["expression"] = "Immunization.patient | Immunization.performer.actor"
    with somebody_behind(mongodb_uri, name):
        await stored(client, told)
        assert await found(client, "Immunization?_include=Immunization:*") is None
        assert await found(client, "Patient?_revinclude=Immunization:person") is None
        assert await found(client, "Patient?_has:Immunization:person:status=completed") is None
    assert await built(client, "Immunization?_include=Immunization:*") == {shot, person}
    assert await built(client, "Patient?_has:Immunization:person:status=completed") == {person}


async def test_another_expression_is_built_anew(client: httpx.AsyncClient) -> None:
    boxes, plain = await stored(client, boxed("7")), await stored(client, PATIENT)
    id = await stored(client, parameter("box"))
    assert await built(client, "Patient?box=001225000012") == set()
    changed = parameter("box", id=id, expression="Patient.identifier")
    assert (await client.put(f"/fhir/SearchParameter/{id}", json=changed)).status_code == 200
    assert await built(client, "Patient?box=001225000012") == {boxes, plain}
    back = parameter("box", id=id)
    assert (await client.put(f"/fhir/SearchParameter/{id}", json=back)).status_code == 200
    assert await built(client, "Patient?box=001225000012") == set()
    assert await built(client, "Patient?box=7") == {boxes}


@pytest.mark.parametrize("how", ["deleted", "retired", "draft"])
async def test_a_parameter_that_is_taken_back_is_unknown_at_once(client: httpx.AsyncClient, how: str) -> None:
    person = await stored(client, boxed("7"))
    id = await stored(client, parameter("box"))
    assert await built(client, "Patient?box=7") == {person}
    if how == "deleted":
        assert (await client.delete(f"/fhir/SearchParameter/{id}")).status_code == 204
    else:
        await client.put(f"/fhir/SearchParameter/{id}", json=parameter("box", id=id, status=how))
    answer = await client.get("/fhir/Patient?box=7")
    assert answer.status_code == 400
    assert "no search parameter 'box'" in answer.json()["issue"][0]["diagnostics"]
    # What is written now is not indexed by it: coming back, it must not be taken for built.
    later = await stored(client, boxed("7"))
    await stored(client, parameter("box"))
    assert await built(client, "Patient?box=7") == {person, later}


async def test_all_processes_on_a_database_take_it_up(mongodb_uri: str, name: str) -> None:
    async with serving(mongodb_uri, name) as one, serving(mongodb_uri, name) as other:
        person = await stored(one, boxed("7"))
        id = await stored(one, parameter("box"))
        deadline = time.monotonic() + 40
        while (await other.get("/fhir/Patient?box=7")).status_code != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        later = await stored(other, boxed("7"))
        assert await built(one, "Patient?box=7") == await built(other, "Patient?box=7") == {person, later}
        await other.delete(f"/fhir/SearchParameter/{id}")
        assert (await other.get("/fhir/Patient?box=7")).status_code == 400
        while (await one.get("/fhir/Patient?box=7")).status_code != 400:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


async def test_a_transaction_may_bring_a_parameter_and_what_it_finds(client: httpx.AsyncClient) -> None:
    sent = bundle(
        "transaction", entry("POST", "SearchParameter", parameter("box")), entry("POST", "Patient", boxed("7"))
    )
    answer = await client.post("/fhir", json=sent)
    assert answer.status_code == 200, answer.text
    assert len(await built(client, "Patient?box=7")) == 1


COMPOSITE = {
    "type": "composite",
    "expression": "Patient.name",
    "component": [
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-family", "expression": "family"},
        {"definition": "http://example.vn/none", "expression": "given"},
    ],
}
BAD = {
    "no such element": ({"expression": "Patient.boxes"}, "expression"),
    "not FHIRPath": ({"expression": "Patient.name("}, "expression"),
    "not a path": ({"expression": "1 + 1"}, "expression"),
    "another type": ({"expression": "Observation.code"}, "expression"),
    "a function that cannot be indexed": ({"expression": "Patient.descendants()"}, "expression"),
    "an element that cannot be searched so": ({"type": "date", "expression": "Patient.name"}, "expression"),
    "no expression": ({"expression": None}, "expression"),
    "nested deeply": ({"expression": "(" * 60 + "Patient.name" + ")" * 60}, "expression"),
    "too long": ({"expression": " | ".join(["Patient.name"] * 500)}, "expression"),
    "the code of another": ({"code": "birthdate"}, "code"),
    "the code of another in one of the types": ({"base": ["Person", "Patient"], "code": "death-date"}, "code"),
    "the code of another, for every resource": ({"base": ["Resource"], "code": "status"}, "code"),
    "a code that no search can say": ({"code": "box.number"}, "code"),
    "a code of the server's own": ({"code": "_box"}, "code"),
    "special": ({"type": "special"}, "type"),
    "a part that is not known": (COMPOSITE, "component"),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_cannot_be_searched_by_is_refused(shared: httpx.AsyncClient, case: str) -> None:
    changes, element = BAD[case]
    sent = {key: value for key, value in parameter("refused", **changes).items() if value is not None}
    answer = await shared.post("/fhir/SearchParameter", json=sent)
    assert answer.status_code == 422, answer.text
    [issue, *_] = answer.json()["issue"]
    assert issue["expression"] == [f"SearchParameter.{element}"]
    assert issue["details"]["_text"]["extension"][0]["extension"][0] == {"url": "lang", "valueCode": "vi"}
    # As a draft it may be stored: nobody searches by it.
    assert (await shared.post("/fhir/SearchParameter", json={**sent, "status": "draft"})).status_code == 201


@pytest.fixture(scope="module")
async def shared(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    name = f"sp_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name) as client:
        yield client
    with MongoClient[dict[str, Any]](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_two_users_cannot_give_the_same_code_two_meanings(shared: httpx.AsyncClient) -> None:
    await stored(shared, parameter("twice"))
    other = parameter("twice", url="http://example.vn/fhir/SearchParameter/other")
    answer = await shared.post("/fhir/SearchParameter", json=other)
    assert answer.status_code == 422
    assert "http://example.vn/fhir/SearchParameter/twice" in answer.json()["issue"][0]["diagnostics"]


async def test_a_composite_of_own_parameters_finds_true_pairs(shared: httpx.AsyncClient) -> None:
    family = "http://hl7.org/fhir/SearchParameter/individual-family"
    await stored(shared, parameter("called", type="string", expression="Patient.name.given"))
    pair = {
        "component": [
            {"definition": family, "expression": "family"},
            {"definition": "http://example.vn/fhir/SearchParameter/called", "expression": "given"},
        ]
    }
    await stored(shared, parameter("whole", type="composite", expression="Patient.name", **pair))
    names = [{"family": "Trần", "given": ["Bình"]}, {"family": "Lê", "given": ["Chi"]}]
    person = await stored(shared, {**PATIENT, "name": names})
    assert await built(shared, "Patient?whole=tran$binh") == {person}
    assert await built(shared, "Patient?whole=tran$chi") == set()


async def test_every_resource_may_have_one(shared: httpx.AsyncClient) -> None:
    told = parameter("made-by", base=["Resource"], type="uri", expression="Resource.implicitRules")
    await stored(shared, told)
    person = await stored(shared, {**PATIENT, "implicitRules": "http://example.vn/rules"})
    assert await built(shared, "Patient?made-by=http://example.vn/rules") == {person}
    assert await built(shared, "Organization?made-by=http://example.vn/rules") == set()


async def test_reindexing_is_asked_for_by_type(shared: httpx.AsyncClient) -> None:
    person = await stored(shared, boxed("7"))
    answer = await shared.post("/fhir/$reindex-start?type=Patient", json={"resourceType": "Parameters"})
    assert answer.status_code == 200, answer.text
    assert await found(shared, f"Patient?_id={person}&identifier=7") == {person}  # it can be searched meanwhile
    wrong = await shared.post("/fhir/$reindex-start?type=Person,Nobody", json={"resourceType": "Parameters"})
    assert wrong.status_code == 400
    deadline = time.monotonic() + 40
    while True:
        [row] = (await shared.get("/fhir/$reindex?type=Patient")).json()["parameter"]
        if row["part"][1]["valueCode"] == "built":
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
