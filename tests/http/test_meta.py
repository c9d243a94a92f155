"""$meta, $meta-add, $meta-delete, and the modes of $validate.

https://hl7.org/fhir/R4/resource-operation-meta.html · https://hl7.org/fhir/R4/resource-operation-validate.html
"""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT

Json = dict[str, Any]

SYSTEM = "http://example.org/labels"
PROFILE = "https://fhir.tiemchung.vn/StructureDefinition/vn-imm-patient"
OTHER = "http://a.example/p"
A, B = {"system": SYSTEM, "code": "a", "display": "A"}, {"system": SYSTEM, "code": "b"}


async def stored(client: httpx.AsyncClient, **meta: Any) -> str:
    id = uuid.uuid4().hex[:12]
    answer = await client.put(
        f"/fhir/Patient/{id}", json={**PATIENT, "id": id, "meta": meta} if meta else {**PATIENT, "id": id}
    )
    assert answer.status_code == 201, answer.text
    return f"/fhir/Patient/{id}"


def asking(**meta: Any) -> Json:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def labels(answer: httpx.Response) -> Json:
    """Return the meta of an answer without version and time."""
    assert answer.status_code == 200, answer.text
    [row] = answer.json()["parameter"]
    assert row["name"] == "return"
    return {name: value for name, value in row["valueMeta"].items() if name not in {"versionId", "lastUpdated"}}


async def test_meta_is_told_and_changes_nothing(client: httpx.AsyncClient) -> None:
    url = await stored(client, tag=[A], source="http://example.org/his")
    for answer in (await client.get(f"{url}/$meta"), await client.post(f"{url}/$meta")):
        assert labels(answer) == {"tag": [A], "source": "http://example.org/his"}
        assert answer.json()["parameter"][0]["valueMeta"]["versionId"] == "1"


ROWS: list[tuple[str, Json, Json, Json, int]] = [
    ("add", {}, {"tag": [A]}, {"tag": [A]}, 2),
    ("add", {"tag": [A]}, {"tag": [B]}, {"tag": [A, B]}, 2),
    ("add", {"tag": [A]}, {"tag": [{"system": SYSTEM, "code": "a"}]}, {"tag": [A]}, 1),
    ("add", {"tag": [A]}, {"security": [A], "profile": [OTHER]}, {"tag": [A], "security": [A], "profile": [OTHER]}, 2),
    ("add", {"source": OTHER}, {"tag": [B], "source": PROFILE, "versionId": "9"}, {"source": OTHER, "tag": [B]}, 2),
    ("delete", {"tag": [A, B]}, {"tag": [{"system": SYSTEM, "code": "a"}]}, {"tag": [B]}, 2),
    ("delete", {"tag": [A]}, {"tag": [A]}, {}, 2),
    ("delete", {"tag": [A]}, {"tag": [B], "security": [A]}, {"tag": [A]}, 1),
    ("delete", {"profile": [OTHER], "tag": [A]}, {"profile": [OTHER]}, {"tag": [A]}, 2),
]


@pytest.mark.parametrize(("name", "before", "given", "after", "version"), ROWS)
async def test_labels_are_added_and_deleted(
    client: httpx.AsyncClient, name: str, before: Json, given: Json, after: Json, version: int
) -> None:
    url = await stored(client, **before)
    answer = await client.post(f"{url}/$meta-{name}", json=asking(**given))
    assert labels(answer) == after
    read = (await client.get(url)).json()
    assert read["meta"] == answer.json()["parameter"][0]["valueMeta"]
    assert read["meta"]["versionId"] == str(version)
    assert {name: value for name, value in read.items() if name not in {"id", "meta"}} == PATIENT


async def test_an_added_tag_is_searched_for_at_once(client: httpx.AsyncClient) -> None:
    url = await stored(client)
    id, code = url.rpartition("/")[2], uuid.uuid4().hex
    await client.post(f"{url}/$meta-add", json=asking(tag=[{"system": SYSTEM, "code": code}]))
    assert [row["resource"]["id"] for row in (await client.get(f"/fhir/Patient?_tag={code}")).json()["entry"]] == [id]
    await client.post(f"{url}/$meta-delete", json=asking(tag=[{"system": SYSTEM, "code": code}]))
    assert "entry" not in (await client.get(f"/fhir/Patient?_tag={code}")).json()


async def test_parallel_additions_are_all_kept(client: httpx.AsyncClient) -> None:
    url = await stored(client)
    codes = [f"c{number}" for number in range(5)]
    answers = await asyncio.gather(
        *(client.post(f"{url}/$meta-add", json=asking(tag=[{"system": SYSTEM, "code": code}])) for code in codes)
    )
    assert [answer.status_code for answer in answers] == [200] * 5
    tags = (await client.get(url)).json()["meta"]["tag"]
    assert sorted(tag["code"] for tag in tags) == codes


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"resourceType": "Parameters"}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueString": "a"}]}, 400),
        (asking(), 400),
        (asking(tag=["a"]), 400),
        (asking(tag=A), 400),
        (asking(profile=["not a url"]), 422),
        (asking(tag=[{"system": SYSTEM, "code": "a", "colour": "red"}]), 422),
        ({**PATIENT}, 400),
    ],
)
async def test_what_is_no_label_is_refused_and_nothing_is_stored(
    client: httpx.AsyncClient, body: Json, status: int
) -> None:
    url = await stored(client)
    answer = await client.post(f"{url}/$meta-add", json=body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert (await client.get(url)).headers["etag"] == 'W/"1"'


async def test_a_profile_that_the_resource_breaks_is_not_added(client: httpx.AsyncClient) -> None:
    id = uuid.uuid4().hex[:12]
    broken = {**PATIENT, "id": id, "identifier": [{"system": PATIENT["identifier"][0]["system"], "value": "12"}]}
    await client.put(f"/fhir/Patient/{id}", json=broken)
    answer = await client.post(f"/fhir/Patient/{id}/$meta-add", json=asking(profile=[PROFILE]))
    assert answer.status_code == 422


async def test_there_is_no_meta_of_what_is_not_there(client: httpx.AsyncClient) -> None:
    url = await stored(client)
    await client.delete(url)
    assert (await client.get(f"{url}/$meta")).status_code == 410
    assert (await client.post(f"{url}/$meta-add", json=asking(tag=[A]))).status_code == 410
    assert (await client.get("/fhir/Patient/nobody/$meta")).status_code == 404


BROKEN = {**PATIENT, "identifier": [{"system": PATIENT["identifier"][0]["system"], "value": "12"}]}


def _parameters(**values: Any) -> Json:
    names = {"mode": "valueCode", "profile": "valueUri", "resource": "resource"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, names[name]: value} for name, value in values.items()],
    }


VALIDATED: list[tuple[str, Json | None, str | None]] = [
    ("Patient/$validate?mode=create", PATIENT, None),
    ("Patient/$validate", _parameters(mode="profile", resource=BROKEN, profile=PROFILE), "vn-cccd-format"),
    ("Patient/$validate", BROKEN, None),
    (f"Patient/$validate?profile={PROFILE}", BROKEN, "vn-cccd-format"),
    ("Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient", PATIENT, None),
    ("Patient/$validate?profile=http://nobody.example/p", PATIENT, "validate-profile"),
    ("Patient/$validate?mode=update", PATIENT, "Patient.id"),
    ("Patient/$validate?mode=update", {**PATIENT, "id": "new-one"}, None),
    ("Patient/{id}/$validate?mode=update", {**PATIENT, "id": "another"}, "another"),
    ("Patient/{id}/$validate?mode=update", PATIENT, None),
    ("Patient/{id}/$validate?mode=delete", None, None),
    ("Patient/nobody/$validate?mode=delete", None, "Patient/nobody"),
    ("Patient/{id}/$validate", None, None),
    (f"Patient/{{id}}/$validate?mode=profile&profile={PROFILE}", None, None),
]


@pytest.mark.parametrize(("url", "body", "problem"), VALIDATED)
async def test_validate_says_what_an_interaction_would(
    client: httpx.AsyncClient, url: str, body: Json | None, problem: str | None
) -> None:
    id = (await stored(client)).rpartition("/")[2]
    address = f"/fhir/{url.format(id=id)}"
    answer = await (client.get(address) if body is None else client.post(address, json=body))
    assert answer.status_code == 200, answer.text
    errors = [row for row in answer.json()["issue"] if row["severity"] == "error"]
    assert bool(errors) == (problem is not None), errors
    assert problem is None or problem in str(errors)


@pytest.mark.parametrize(
    "url", ["Patient/$validate?mode=delete", "Patient/$validate?mode=burn", "Patient/$validate?colour=red"]
)
async def test_what_validate_cannot_do_is_refused(client: httpx.AsyncClient, url: str) -> None:
    assert (await client.post(f"/fhir/{url}", json=PATIENT)).status_code == 400
    assert (await client.get(f"/fhir/{url}")).status_code == 400
