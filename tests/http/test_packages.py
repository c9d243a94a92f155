"""https://confluence.hl7.org/display/FHIR/NPM+Package+Specification: packages at run time, over HTTP."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

import profiles
from fhir_server.definitions import package
from fhir_server.interactions import packages
from fhir_server.outcome import Unavailable
from fhir_server.store import Store
from tests.cli.commands import run
from tests.definitions.test_package import archive
from tests.http.serving import PATIENT, serving
from tests.http.test_search_parameters import built, parameter, stored

Json = dict[str, Any]
TAG = "https://fhir.tiemchung.vn/CodeSystem/package"


def manifest(name: str, version: str = "1.0.0", **more: Any) -> Json:
    canonical = f"http://{name}/fhir"
    return {"name": name, "version": version, "canonical": canonical, "fhirVersions": ["4.0.1"], **more}


def profile(name: str, /, **changes: Any) -> Json:
    """A profile with the id `patient` of the package `name`: every Patient has a birth date."""
    return {
        "resourceType": "StructureDefinition",
        "id": "patient",
        "url": f"http://{name}/fhir/StructureDefinition/patient",
        "name": "ThePatient",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Patient", "path": "Patient"},
                {"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1},
            ]
        },
        **changes,
    }


def codes(name: str, *each: str) -> Json:
    return {
        "resourceType": "CodeSystem",
        "id": "colours",
        "url": f"http://{name}/fhir/CodeSystem/colours",
        "name": "Colours",
        "status": "active",
        "content": "complete",
        "concept": [{"code": code} for code in each],
    }


def tgz(folder: Path, told: Json, *resources: Json) -> bytes:
    files = {f"package/{number}.json": json.dumps(each).encode() for number, each in enumerate(resources)}
    path = folder / f"{uuid.uuid4().hex}.tgz"
    return archive(path, {"package/package.json": json.dumps(told).encode(), **files}).read_bytes()


@pytest.fixture
def name(mongodb_uri: str) -> Iterator[str]:
    """A database of the test's own."""
    name = f"packages_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient[Json](mongodb_uri) as admin:
        admin.drop_database(name)


@pytest.fixture
async def client(mongodb_uri: str, name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(mongodb_uri, name) as client:
        yield client


def sent(content: bytes) -> Json:
    value = base64.b64encode(content).decode()
    return {"resourceType": "Parameters", "parameter": [{"name": "package", "valueBase64Binary": value}]}


async def add(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await client.post("/fhir/$package-add", json=sent(content))


def told(answer: httpx.Response) -> dict[str, Any]:
    """Return the numbers and texts of the answer by name, those of the package among them."""
    assert answer.status_code == 200, answer.text
    rows = [part for row in answer.json()["parameter"] for part in row.get("part", [row])]
    return {row["name"]: next(value for key, value in row.items() if key.startswith("value")) for row in rows}


async def listed(client: httpx.AsyncClient) -> list[tuple[str, str, int]]:
    rows = (await client.get("/fhir/$package-list")).json().get("parameter", [])
    parts = [{part["name"]: part for part in row["part"]} for row in rows]
    return [
        (row["name"]["valueString"], row["version"]["valueString"], row["resources"]["valueInteger"]) for row in parts
    ]


async def remove(client: httpx.AsyncClient, name: str, **more: str) -> httpx.Response:
    rows = [{"name": key, "valueString": value} for key, value in {"name": name, **more}.items()]
    return await client.post("/fhir/$package-remove", json={"resourceType": "Parameters", "parameter": rows})


async def conforms(client: httpx.AsyncClient, url: str, patient: Json) -> bool:
    """Return whether the server finds that `patient` conforms to a profile that it knows."""
    answer = await client.post("/fhir/$validate", json={**patient, "meta": {"profile": [url]}})
    issues = answer.json()["issue"]
    assert not any("not known here" in issue["diagnostics"] for issue in issues), "the profile is not known"
    return all(issue["severity"] not in {"error", "fatal"} for issue in issues)


WITHOUT = {key: value for key, value in PATIENT.items() if key != "birthDate"}


async def test_a_package_is_in_force_and_can_be_read_until_it_is_removed(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    own = parameter("colour", type="string", expression="Patient.name.family", status="draft")
    example = {**PATIENT, "id": "example"}
    content = tgz(tmp_path, manifest("a.example"), profile("a.example"), codes("a.example", "red"), own, example)
    said = told(await add(client, content))
    assert (said["name"], said["version"], said["written"], said["leftOut"]) == ("a.example", "1.0.0", 3, 1)
    assert await listed(client) == [("a.example", "1.0.0", 3)]
    url = "http://a.example/fhir/StructureDefinition/patient"
    assert await conforms(client, url, PATIENT)
    assert not await conforms(client, url, WITHOUT)
    [row] = (await client.get(f"/fhir/StructureDefinition?url={url}")).json()["entry"]
    assert row["resource"]["id"] == "a.example.fhir.patient"
    assert row["resource"]["meta"]["tag"] == [{"system": TAG, "code": "a.example#1.0.0"}]
    tagged = await client.get(f"/fhir/CodeSystem?_tag={TAG}|a.example%231.0.0")
    assert len(tagged.json()["entry"]) == 1
    person = await stored(client, PATIENT)
    assert await built(client, "Patient?colour=nguyen") == {person}
    assert told(await remove(client, "a.example"))["removed"] == 3
    assert await listed(client) == []
    assert (await client.get("/fhir/Patient?colour=nguyen")).status_code == 400
    assert (await client.get("/fhir/StructureDefinition/a.example.fhir.patient")).status_code == 410
    with pytest.raises(AssertionError, match="not known"):
        await conforms(client, url, PATIENT)


async def test_two_packages_with_the_same_ids_coexist(client: httpx.AsyncClient, tmp_path: Path) -> None:
    strict = profile("b.example")
    strict["differential"]["element"][1] = {"id": "Patient.gender", "path": "Patient.gender", "min": 1}
    await add(client, tgz(tmp_path, manifest("a.example"), profile("a.example")))
    await add(client, tgz(tmp_path, manifest("b.example"), strict))
    assert [name for name, _, _ in await listed(client)] == ["a.example", "b.example"]
    assert not await conforms(client, "http://a.example/fhir/StructureDefinition/patient", WITHOUT)
    assert await conforms(client, "http://b.example/fhir/StructureDefinition/patient", WITHOUT)
    await remove(client, "a.example")
    assert await conforms(client, "http://b.example/fhir/StructureDefinition/patient", WITHOUT)


async def test_another_version_takes_the_place_of_the_former(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await add(client, tgz(tmp_path, manifest("a.example"), profile("a.example"), codes("a.example", "red")))
    loose = profile("a.example", differential={"element": [{"id": "Patient", "path": "Patient"}]})
    again = tgz(tmp_path, manifest("a.example", "2.0.0"), loose)
    said = told(await add(client, again))
    assert (said["written"], said["removed"]) == (1, 1)
    assert await listed(client) == [("a.example", "2.0.0", 1)]
    assert await conforms(client, "http://a.example/fhir/StructureDefinition/patient", WITHOUT)
    assert (await client.get("/fhir/CodeSystem/a.example.fhir.colours")).status_code == 410
    said = told(await add(client, again))  # the same again changes nothing
    assert (said["written"], said["removed"]) == (0, 0)
    assert (await remove(client, "a.example", version="1.0.0")).status_code == 404
    assert (await remove(client, "a.example", version="2.0.0")).status_code == 200


async def test_what_somebody_changed_or_stored_himself_stays_when_the_package_goes(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    content = tgz(tmp_path, manifest("a.example"), profile("a.example"), codes("a.example", "red"))
    await add(client, content)
    id = "a.example.fhir.colours"
    changed = (await client.get(f"/fhir/CodeSystem/{id}")).json()
    changed["concept"].append({"code": "blue"})
    assert (await client.put(f"/fhir/CodeSystem/{id}", json=changed)).status_code == 200
    own = await stored(client, codes("own.example", "green"))
    assert told(await remove(client, "a.example"))["removed"] == 1
    assert (await client.get(f"/fhir/CodeSystem/{id}")).status_code == 200
    assert (await client.get(f"/fhir/CodeSystem/{own}")).status_code == 200


async def test_what_somebody_changes_of_a_package_is_in_force(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await add(client, tgz(tmp_path, manifest("a.example"), profile("a.example")))
    url = "http://a.example/fhir/StructureDefinition/patient"
    assert not await conforms(client, url, WITHOUT)
    changed = (await client.get("/fhir/StructureDefinition/a.example.fhir.patient")).json()
    del changed["differential"]["element"][1]
    put = await client.put("/fhir/StructureDefinition/a.example.fhir.patient", json=changed)
    assert put.status_code == 200, put.text
    assert await conforms(client, url, WITHOUT)
    assert told(await remove(client, "a.example"))["removed"] == 0
    assert await conforms(client, url, WITHOUT)


async def test_a_package_takes_over_what_another_one_defines_too(client: httpx.AsyncClient, tmp_path: Path) -> None:
    both = profile("a.example")
    await add(client, tgz(tmp_path, manifest("a.example"), both))
    loose = {**both, "differential": {"element": [{"id": "Patient", "path": "Patient"}]}}
    await add(client, tgz(tmp_path, manifest("b.example"), loose))
    assert await conforms(client, both["url"], WITHOUT)
    assert told(await remove(client, "a.example"))["removed"] == 0  # it is b's now
    assert await conforms(client, both["url"], WITHOUT)


INVALID = {**codes("a.example", "red"), "concept": [{"display": "no code"}]}
REFUSED = {
    "an invalid resource": (manifest("a.example"), [INVALID], "CodeSystem http://a.example/fhir/CodeSystem/colours"),
    "a meta that is none": (
        manifest("a.example"),
        [{**codes("a.example", "red"), "meta": ["x"]}],
        "CodeSystem http://a",
    ),
    "versions that are no list": (manifest("a.example", fhirVersions=5), [profile("a.example")], "is for FHIR 5"),
    "a profile of no type": (
        manifest("a.example"),
        [
            profile(
                "a.example", type="Pacient", differential={"element": [{"id": "Pacient", "path": "Pacient", "min": 0}]}
            )
        ],
        "Pacient is no type of R4",
    ),
    "nothing defined": (manifest("a.example"), [PATIENT], "defines nothing"),
    "the same twice": (manifest("a.example"), [profile("a.example")] * 2, "twice"),
    "R4 itself": (manifest("hl7.fhir.r4.core", "4.0.1"), [profile("a.example")], "part of the server"),
    "another FHIR": (manifest("a.example", fhirVersions=["5.0.0"]), [profile("a.example")], "is for FHIR 5.0.0"),
    "no name": (manifest("../etc"), [profile("a.example")], "no name"),
    "no version": (manifest("a.example", ""), [profile("a.example")], "no version"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_package_for_this_server_is_refused_whole(
    shared: httpx.AsyncClient, tmp_path: Path, case: str
) -> None:
    told, resources, reason = REFUSED[case]
    answer = await add(shared, tgz(tmp_path, told, *resources))
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["issue"][0]["diagnostics"]
    assert await listed(shared) == []
    assert (await shared.get("/fhir/StructureDefinition?_summary=count")).json()["total"] == 0


@pytest.mark.parametrize("content", [b"no tgz", b"", b"\x1f\x8b"], ids=["text", "nothing", "cut off"])
async def test_what_is_no_archive_is_refused(shared: httpx.AsyncClient, content: bytes) -> None:
    answer = await shared.post("/fhir/$package-add", json=sent(content))
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_package_that_unpacks_to_too_much_is_refused(
    shared: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "MAX_TOTAL", 100_000)
    elsewhere = {"other/huge.bin": b"\0" * 1_000_000}
    content = archive(tmp_path / "bomb.tgz", {"package/package.json": b"{}", **elsewhere}).read_bytes()
    assert len(content) < 10_000
    answer = await shared.post("/fhir/$package-add", json=sent(content))
    assert answer.status_code == 422
    assert "larger than 100000 bytes" in answer.json()["issue"][0]["diagnostics"]


@pytest.fixture(scope="module")
async def shared(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    name = f"packages_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name) as client:
        yield client
    with MongoClient[Json](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_one_package_is_changed_at_a_time_everywhere(
    mongodb_uri: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "TOGETHER", 1)
    many = [profile("a.example"), *({**codes("a.example", "red"), "url": f"http://a/{n}"} for n in range(6))]
    async with serving(mongodb_uri, name) as one, serving(mongodb_uri, name) as other:
        content = tgz(tmp_path, manifest("a.example"), *many)
        answers = await asyncio.gather(*(add(client, content) for client in (one, other, one)))
        assert sorted({answer.status_code for answer in answers}) in ([200], [200, 409])
        assert await listed(other) == [("a.example", "1.0.0", 7)]
        url = "http://a.example/fhir/StructureDefinition/patient"
        deadline = time.monotonic() + 40
        for client in (one, other):  # both take it up
            while True:
                try:
                    assert not await conforms(client, url, WITHOUT)
                    break
                except AssertionError:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)


async def test_one_that_fails_half_way_is_not_in_force_and_can_be_added_again_or_removed(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "TOGETHER", 1)
    content = tgz(tmp_path, manifest("a.example"), profile("a.example"), codes("a.example", "red"))
    commit = Store.commit

    async def failing(self: Store, puts: Any, **more: Any) -> None:
        if any(put.new.type == "CodeSystem" and put.new.raw for put in puts):
            raise Unavailable("The database went away", "Mất cơ sở dữ liệu")
        await commit(self, puts, **more)

    url = "http://a.example/fhir/StructureDefinition/patient"
    for again in (add, remove):
        monkeypatch.setattr(Store, "commit", failing)
        assert (await add(client, content)).status_code == 503
        monkeypatch.setattr(Store, "commit", commit)
        with pytest.raises(AssertionError, match="not known"):
            await conforms(client, url, WITHOUT)
        if again is add:
            assert told(await add(client, content))["complete"] is True
            assert not await conforms(client, url, WITHOUT)
        await remove(client, "a.example")
        assert (await client.get("/fhir/StructureDefinition?_summary=count")).json()["total"] == 0
        assert await listed(client) == []


async def test_what_ships_can_be_read_and_a_second_start_writes_nothing(mongodb_uri: str, name: str) -> None:
    async with serving(mongodb_uri, name, store_packages=True) as client:
        names = {str(profiles.manifest(each)["name"]) for each in profiles.DEFAULT}
        assert {each for each, _, _ in await listed(client)} == names
        url = f"{profiles.CANONICAL}/StructureDefinition/vn-imm-patient"
        [row] = (await client.get(f"/fhir/StructureDefinition?url={url}")).json()["entry"]
        assert row["resource"]["meta"]["versionId"] == "1"
        for type in ("CodeSystem", "ValueSet", "ConceptMap", "NamingSystem", "SearchParameter"):
            assert (await client.get(f"/fhir/{type}?_summary=count")).json()["total"] > 0, type
        person = await stored(client, PATIENT)
        assert await built(client, "Patient?vn-cccd=001225000012") == {person}
    async with serving(mongodb_uri, name, store_packages=True) as client:
        [newest] = (await client.get("/fhir/_history?_count=1")).json()["entry"]
        assert newest["resource"]["id"] == person  # nothing was written since


async def test_what_ships_gives_way_to_an_official_package_and_cannot_be_removed(
    mongodb_uri: str, name: str, tmp_path: Path
) -> None:
    shipped = json.loads((profiles.path("vn-core") / "StructureDefinition-vn-core-patient.json").read_bytes())
    official = profile("vn.core.official", url=shipped["url"], name="Official")
    async with serving(mongodb_uri, name, store_packages=True) as client:
        own_name = str(profiles.manifest("vn-core")["name"])
        assert (await remove(client, own_name)).status_code == 422
        assert (await add(client, tgz(tmp_path, manifest(own_name, "9"), profile(own_name)))).status_code == 422
        assert told(await add(client, tgz(tmp_path, manifest("vn.core.official"), official)))["written"] == 1
        assert not await conforms(client, official["url"], WITHOUT)
    with MongoClient[Json](mongodb_uri) as admin:  # as if another version of what ships came with the next start
        admin[name]["packages"].update_one({"_id": own_name}, {"$set": {"digest": "another"}})
    async with serving(mongodb_uri, name, store_packages=True) as client:
        [row] = (await client.get(f"/fhir/StructureDefinition?url={official['url']}")).json()["entry"]
        assert row["resource"]["name"] == "Official"
        assert not await conforms(client, official["url"], WITHOUT)
        assert told(await remove(client, "vn.core.official"))["removed"] == 1


async def test_the_command_line_does_the_same(client: httpx.AsyncClient, tmp_path: Path) -> None:
    url = ("--url", f"{client.base_url}/fhir")
    folder = tmp_path / "unpacked"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "package.json").write_text(json.dumps(manifest("a.example")))
    (folder / "package" / "patient.json").write_text(json.dumps(profile("a.example")))
    added = await run("package", "add", folder, *url)
    assert (added.status, "a.example@1.0.0  1 resources" in added.err) == (0, True), added.err
    shown = await run("package", "list", *url)
    assert shown.out.startswith("a.example@1.0.0  1 resources")
    again = await run("package", "remove", "a.example@9.9.9", *url)
    assert (again.status, "is not stored" in again.err) == (2, True)
    gone = await run("package", "remove", "a.example@1.0.0", *url)
    assert (gone.status, "1 resources removed" in gone.err) == (0, True), gone.err
    await stored(client, PATIENT)
    done = await run("reindex", "--type", "Patient", *url)
    assert (done.status, "Patient" in done.err) == (0, True), done.err
    nobody = await run("reindex", "--watch", "--url", "http://127.0.0.1:9/fhir")
    assert (nobody.status, "No FHIR server answers" in nobody.err) == (2, True)
