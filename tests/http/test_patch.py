"""PATCH: JSON Patch and FHIRPath Patch, alone, conditional, and in Bundles.

https://hl7.org/fhir/R4/http.html#patch · https://www.rfc-editor.org/rfc/rfc6902 · https://hl7.org/fhir/R4/fhirpatch.html
"""

import asyncio
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.http.serving import JSON, PATIENT, bundle, dose, entry
from tests.http.test_conditional import FHIR, person

JSON_PATCH = {"content-type": "application/json-patch+json"}
Json = dict[str, Any]

WHOLE: Json = {
    "resourceType": "Patient",
    "name": [{"text": "A"}, {"text": "B", "given": ["x", "y"]}, {"use": "old", "text": "C"}],
    "gender": "male",
    "birthDate": "2025-08-12",
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "Mẹ"}}],
}


PHONE = {"system": "phone", "value": "1"}


async def made(client: httpx.AsyncClient, resource: Json = WHOLE) -> str:
    answer = await client.post(f"{FHIR}/{resource['resourceType']}", json=resource)
    assert answer.status_code == 201, answer.text
    return f"{FHIR}/{resource['resourceType']}/{answer.json()['id']}"


async def patch(client: httpx.AsyncClient, url: str, body: Any, **headers: str) -> httpx.Response:
    kind = JSON_PATCH if isinstance(body, list) else JSON
    return await client.patch(url, content=json.dumps(body), headers={**kind, **headers})


def step(type: str, path: str, **parts: Any) -> Json:
    """Return one operation of a FHIRPath Patch; `value` is a pair of its JSON property and its content."""
    rows: list[Json] = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name == "value":
            rows.append({"name": "value", value[0]: value[1]})
        else:
            rows.append({"name": name, "valueString" if isinstance(value, str) else "valueInteger": value})
    return {"name": "operation", "part": rows}


def parameters(*steps: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(steps)}


APPLIES = [
    ([{"op": "add", "path": "/active", "value": True}], {"active": True}),
    ([{"op": "add", "path": "/name/0", "value": {"text": "Z"}}], {"name": [{"text": "Z"}, *WHOLE["name"]]}),
    ([{"op": "add", "path": "/name/-", "value": {"text": "Z"}}], {"name": [*WHOLE["name"], {"text": "Z"}]}),
    ([{"op": "remove", "path": "/name/1"}], {"name": [WHOLE["name"][0], WHOLE["name"][2]]}),
    ([{"op": "remove", "path": "/birthDate"}], {"birthDate": None}),
    ([{"op": "replace", "path": "/gender", "value": "female"}], {"gender": "female"}),
    ([{"op": "move", "from": "/name/0", "path": "/name/2"}], {"name": [*WHOLE["name"][1:], WHOLE["name"][0]]}),
    (
        [{"op": "copy", "from": "/contact/0/name", "path": "/name/-"}, {"op": "remove", "path": "/contact"}],
        {"name": [*WHOLE["name"], {"text": "Mẹ"}], "contact": None},
    ),
    (
        [{"op": "test", "path": "/gender", "value": "male"}, {"op": "replace", "path": "/gender", "value": "other"}],
        {"gender": "other"},
    ),
    (
        [
            {"op": "test", "path": "/name/1", "value": {"given": ["x", "y"], "text": "B"}},
            {"op": "remove", "path": "/name"},
        ],
        {"name": None},
    ),
    (parameters(step("add", "Patient", name="active", value=("valueBoolean", True))), {"active": True}),
    (
        parameters(step("add", "Patient", name="name", value=("valueHumanName", {"text": "Z"}))),
        {"name": [*WHOLE["name"], {"text": "Z"}]},
    ),
    (
        parameters(step("add", "Patient.name[1]", name="given", value=("valueString", "z"))),
        {"name": [WHOLE["name"][0], {"text": "B", "given": ["x", "y", "z"]}, WHOLE["name"][2]]},
    ),
    (
        parameters(
            step(
                "add",
                "Patient",
                name="contact",
                value=(
                    "part",
                    [
                        {"name": "name", "valueHumanName": {"text": "Bố"}},
                        {"name": "telecom", "valueContactPoint": {"system": "phone", "value": "1"}},
                    ],
                ),
            )
        ),
        {"contact": [*WHOLE["contact"], {"name": {"text": "Bố"}, "telecom": [{"system": "phone", "value": "1"}]}]},
    ),
    (
        parameters(step("insert", "Patient.name", index=1, value=("valueHumanName", {"text": "Z"}))),
        {"name": [WHOLE["name"][0], {"text": "Z"}, *WHOLE["name"][1:]]},
    ),
    (
        parameters(step("insert", "Patient.telecom", index=0, value=("valueContactPoint", PHONE))),
        {"telecom": [PHONE]},
    ),
    (parameters(step("delete", "Patient.birthDate")), {"birthDate": None}),
    (parameters(step("delete", "Patient.telecom")), {}),
    (parameters(step("delete", "Patient.name.where(use = 'old')")), {"name": WHOLE["name"][:2]}),
    (
        parameters(step("delete", "Patient.name[1].given[0]")),
        {"name": [WHOLE["name"][0], {"text": "B", "given": ["y"]}, WHOLE["name"][2]]},
    ),
    (parameters(step("replace", "Patient.gender", value=("valueCode", "female"))), {"gender": "female"}),
    (
        parameters(step("replace", "Patient.deceased", value=("valueDateTime", "2026-01-01"))),
        {"deceasedBoolean": None, "deceasedDateTime": "2026-01-01"},
    ),
    (
        parameters(step("replace", "Patient.name.first().text", value=("valueString", "Z"))),
        {"name": [{"text": "Z"}, *WHOLE["name"][1:]]},
    ),
    (
        parameters(step("move", "Patient.name", source=2, destination=0)),
        {"name": [WHOLE["name"][2], *WHOLE["name"][:2]]},
    ),
]


@pytest.mark.parametrize(("body", "changes"), APPLIES, ids=[str(number) for number in range(len(APPLIES))])
async def test_a_patch_changes_what_it_says_and_nothing_else(
    client: httpx.AsyncClient, body: Any, changes: Json
) -> None:
    url = await made(client)
    before = (await client.get(url)).json()
    answer = await patch(client, url, body)
    assert answer.status_code == 200, answer.text
    expected = {name: value for name, value in {**before, **changes}.items() if value is not None}
    assert {**answer.json(), "meta": 0} == {**expected, "meta": 0}
    assert (await client.get(url)).content == answer.content
    assert answer.headers["etag"] == ('W/"2"' if changes else 'W/"1"')
    history = (await client.get(f"{url}/_history")).json()["entry"]
    assert [row["request"]["method"] for row in history] == (["PATCH", "POST"] if changes else ["POST"])


REFUSED = [
    ({}, 400),
    (PATIENT, 400),
    ("text", 400),
    (["text"], 400),
    ([{"op": "delete", "path": "/gender"}], 400),
    ([{"op": "add", "path": "/gender"}], 400),
    ([{"op": "remove", "path": "gender"}], 400),
    ([{"op": "remove", "path": "/a~2"}], 400),
    ([{"op": "remove"}], 400),
    ([{"op": "move", "from": "/name", "path": "/name/0/x"}], 400),
    ([{"op": "remove", "path": "/gender"}] * 1001, 400),
    ([{"op": "remove", "path": "/photo"}], 409),
    ([{"op": "remove", "path": "/name/3"}], 409),
    ([{"op": "remove", "path": "/name/-"}], 409),
    ([{"op": "remove", "path": "/name/01"}], 409),
    ([{"op": "replace", "path": "/gender/x", "value": 1}], 409),
    ([{"op": "add", "path": "/name/9", "value": {}}], 409),
    ([{"op": "test", "path": "/gender", "value": "female"}], 409),
    ([{"op": "test", "path": "/deceasedBoolean", "value": 0}], 409),
    ([{"op": "replace", "path": "/gender", "value": "M"}], 422),
    ([{"op": "replace", "path": "/gender", "value": "female"}, {"op": "add", "path": "/nope", "value": 1}], 422),
    ([{"op": "replace", "path": "/id", "value": "other"}], 422),
    ([{"op": "remove", "path": "/id"}], 422),
    ([{"op": "replace", "path": "/resourceType", "value": "Person"}], 422),
    ([{"op": "replace", "path": "", "value": []}], 422),
    ([{"op": "remove", "path": ""}], 422),
    ([{"op": "copy", "from": "", "path": "/contained"}] * 40, 422),
    (parameters(), 400),
    ({"resourceType": "Parameters", "parameter": [{"name": "operation"}]}, 400),
    (parameters({"name": "other", "part": []}), 400),
    (parameters(step("remove", "Patient.gender")), 400),
    (parameters(step("delete", "Patient.name[")), 400),
    (parameters(step("delete", "Patient.descendants()")), 400),
    (parameters(step("delete", "Patient.name.where(text.matches('(A+)+$'))")), 400),
    (parameters(step("delete", "Patient.name.where(%resource.descendants().exists())")), 400),
    (parameters(step("delete", "Patient.name.where(%resource.gender = 'male')")), 400),
    (parameters(step("delete", "Patient.name.where(given.where($this = 'x').exists())")), 400),
    (parameters(step("delete", "Patient.name.where(text = '" + "x" * 1000 + "')")), 400),
    (parameters(*[step("delete", "Patient.telecom")] * 201), 400),
    (parameters(step("add", "Patient", value=("valueBoolean", True))), 400),
    (parameters(step("add", "Patient", name="active", value=("valueBoolean", True), extra="x")), 400),
    (parameters(step("delete", "Patient.name")), 409),
    (parameters(step("delete", "Patient")), 422),
    (parameters(step("replace", "Patient", value=("resource", PATIENT))), 422),
    (parameters(step("replace", "Patient.telecom", value=("valueString", "x"))), 409),
    (parameters(step("replace", "Patient.id", value=("valueId", "other"))), 422),
    (parameters(step("add", "Patient", name="gender", value=("valueCode", "female"))), 409),
    (parameters(step("add", "Patient", name="deceased", value=("valueDateTime", "2026-01-01"))), 409),
    (parameters(step("add", "Patient", name="nope", value=("valueCode", "female"))), 422),
    (parameters(step("add", "Patient.gender", name="x", value=("valueCode", "female"))), 422),
    (parameters(step("insert", "Patient.name", index=4, value=("valueHumanName", {"text": "Z"}))), 409),
    (parameters(step("insert", "Patient.gender", index=0, value=("valueCode", "female"))), 422),
    (parameters(step("move", "Patient.name", source=3, destination=0)), 409),
    (parameters(step("replace", "Patient.gender", value=("valueCode", "M"))), 422),
]


@pytest.mark.parametrize(("body", "status"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
async def test_a_patch_that_does_not_apply_changes_nothing(client: httpx.AsyncClient, body: Any, status: int) -> None:
    url = await made(client)
    before = await client.get(url)
    answer = await patch(client, url, body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text
    assert (await client.get(url)).content == before.content


TOLD = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Nguyễn Minh An, nam</div>'}
NEW = {**TOLD, "div": TOLD["div"].replace("nam", "nữ")}
GENDER = {"op": "replace", "path": "/gender", "value": "female"}
ALSO_TEXT = {"op": "replace", "path": "/text", "value": NEW}
TAG = {"op": "add", "path": "/meta/tag", "value": [{"code": "x"}]}
NARRATIVES = [
    ("generated", [GENDER], 200, None),
    ("extensions", [GENDER], 200, None),
    ("additional", [GENDER], 422, TOLD),
    ("generated", [GENDER, ALSO_TEXT], 200, NEW),
    ("additional", [GENDER, ALSO_TEXT], 200, NEW),
    ("generated", [TAG], 200, TOLD),
    ("additional", [TAG], 200, TOLD),
]


@pytest.mark.parametrize(("status", "body", "answered", "left"), NARRATIVES, ids=range(len(NARRATIVES)))
async def test_no_narrative_tells_of_what_was_before_a_patch(
    client: httpx.AsyncClient, status: str, body: Json, answered: int, left: Json | None
) -> None:
    url = await made(client, {**PATIENT, "text": {**TOLD, "status": status}})
    assert (await patch(client, url, body)).status_code == answered
    text = (await client.get(url)).json().get("text")
    assert text == (left and {**left, "status": left["status"] if left is NEW else status})


MERGES = [
    ({"gender": "female", "birthDate": None}, 200, {"gender": "female", "birthDate": None}),
    ({"name": [{"text": "Z"}]}, 200, {"name": [{"text": "Z"}]}),
    ({"maritalStatus": {"text": "x", "coding": None}}, 200, {"maritalStatus": {"text": "x"}}),
    ({"id": "other"}, 422, {}),
    ({"gender": "M"}, 422, {}),
    ({}, 400, {}),
]


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json"])
@pytest.mark.parametrize(("body", "status", "changes"), MERGES, ids=range(len(MERGES)))
async def test_a_merge_patch_puts_in_what_it_has_and_takes_out_nulls(
    client: httpx.AsyncClient, kind: str, body: Json, status: int, changes: Json
) -> None:
    url = await made(client)
    before = (await client.get(url)).json()
    answer = await client.patch(url, content=json.dumps(body), headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    expected = {name: value for name, value in {**before, **changes}.items() if value is not None}
    assert {**(await client.get(url)).json(), "meta": 0} == {**expected, "meta": 0}


async def test_digits_stay_as_they_are(client: httpx.AsyncClient) -> None:
    body = json.dumps(dose("Patient/x")).replace('"value": 1,', '"value": 0.500,')
    stored = await client.post(f"{FHIR}/Immunization", content=body, headers=JSON)
    url = f"{FHIR}/Immunization/{stored.json()['id']}"
    raw = b'[{"op":"test","path":"/doseQuantity/value","value":0.5},{"op":"replace","path":"/lotNumber","value":"N"}]'
    assert b'"value":0.500,' in (await client.patch(url, content=raw, headers=JSON_PATCH)).content
    raw = b'[{"op":"replace","path":"/doseQuantity/value","value":1.10}]'
    assert b'"value":1.10,' in (await client.patch(url, content=raw, headers=JSON_PATCH)).content


async def test_extensions_of_primitives_move_with_them(client: httpx.AsyncClient) -> None:
    note = {"extension": [{"url": "http://example.org/x", "valueString": "n"}]}
    url = await made(client, {**WHOLE, "name": [{"given": ["a", "b"], "_given": [None, note]}], "_gender": note})
    steps = [step("delete", "Patient.name.given[0]"), step("delete", "Patient.gender")]
    answer = (await patch(client, url, parameters(*steps))).json()
    assert answer["name"] == [{"given": ["b"], "_given": [note]}]
    assert "_gender" not in answer


async def test_if_match_and_absence_are_minded(client: httpx.AsyncClient) -> None:
    url, body = await made(client), [{"op": "add", "path": "/active", "value": True}]
    assert (await patch(client, url, body, **{"if-match": 'W/"2"'})).status_code == 412
    assert (await patch(client, url, body, **{"if-match": 'W/"1"'})).status_code == 200
    await client.delete(url)
    assert (await patch(client, url, body)).status_code == 410
    assert (await patch(client, f"{FHIR}/Patient/nobody", body)).status_code == 404


async def test_a_patch_that_looks_at_too_much_is_refused(client: httpx.AsyncClient) -> None:
    url = await made(client, {**WHOLE, "contact": [{"name": {"text": f"name {number}"}} for number in range(8000)]})
    wide = step("delete", "Patient.contact" + ".where(name.text = 'x')" * 40)
    answer = await patch(client, url, parameters(*[wide] * 200))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "too-costly")
    assert (await patch(client, url, parameters(*[wide] * 20))).status_code == 200


async def test_other_forms_of_patch_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.patch(
        await made(client), content=b"<diff/>", headers={"content-type": "application/xml-patch+xml"}
    )
    assert answer.status_code == 415


async def test_parallel_patches_are_all_applied(client: httpx.AsyncClient) -> None:
    url = await made(client)
    body = [{"op": "add", "path": "/name/-", "value": {"text": "another"}}]
    answers = await asyncio.gather(*(patch(client, url, body) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len((await client.get(url)).json()["name"]) == len(WHOLE["name"]) + 5


@pytest.mark.parametrize(
    "body",
    [
        [{"op": "add", "path": "/active", "value": True}],
        parameters(step("add", "Patient", name="active", value=("valueBoolean", True))),
    ],
    ids=["JSON Patch", "FHIRPath Patch"],
)
async def test_a_conditional_patch_changes_its_only_match(client: httpx.AsyncClient, body: Any) -> None:
    resource, condition = person()
    assert (await patch(client, f"{FHIR}/Patient?{condition}", body)).status_code == 404
    await made(client, resource)
    answer = await patch(client, f"{FHIR}/Patient?{condition}", body)
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    await made(client, resource)
    assert (await patch(client, f"{FHIR}/Patient?{condition}", body)).status_code == 412
    assert (await patch(client, f"{FHIR}/Patient?_count=1", body)).status_code == 400


def wrapped(operations: list[Json], **changes: str) -> Json:
    data = b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data, **changes}


@pytest.mark.parametrize("type", ["batch", "transaction"])
async def test_bundles_patch_too(client: httpx.AsyncClient, type: str) -> None:
    urls = [(await made(client)).removeprefix(f"{FHIR}/") for _ in range(2)]
    resource, condition = person()
    await made(client, resource)
    active = [{"op": "add", "path": "/active", "value": True}]
    answer = await client.post(
        FHIR,
        json=bundle(
            type,
            entry("PATCH", urls[0], wrapped(active)),
            entry("PATCH", urls[1], parameters(step("delete", "Patient.gender"))),
            entry("PATCH", f"Patient?{condition}", wrapped(active)),
        ),
    )
    rows = [row["response"] for row in answer.json()["entry"]]
    assert [(row["status"], row["etag"]) for row in rows] == [("200 OK", 'W/"2"')] * 3
    assert (await client.get(f"{FHIR}/{urls[0]}")).json()["active"] is True
    assert "gender" not in (await client.get(f"{FHIR}/{urls[1]}")).json()
    history = (await client.get(f"{FHIR}/{urls[0]}/_history")).json()
    assert history["entry"][0]["request"]["method"] == "PATCH"


async def test_a_patch_that_fails_fails_its_transaction(client: httpx.AsyncClient) -> None:
    url = (await made(client)).removeprefix(f"{FHIR}/")
    active = [{"op": "add", "path": "/active", "value": True}]
    cases = [
        (entry("PATCH", url, wrapped([{"op": "test", "path": "/gender", "value": "x"}])), 409),
        (entry("PATCH", url, wrapped([{"op": "replace", "path": "/gender", "value": "x"}])), 422),
        (entry("PATCH", url, wrapped(active, contentType="text/plain")), 400),
        (entry("PATCH", url, wrapped(active, data="?")), 400),
        (entry("PATCH", url, PATIENT), 400),
        (entry("PATCH", "Patient/nobody", wrapped(active)), 404),
        (entry("PATCH", f"Patient?{person()[1]}", wrapped(active)), 404),
    ]
    for failing, status in cases:
        other = f"Patient/with-{status}"
        answer = await client.post(
            FHIR, json=bundle("transaction", entry("PUT", other, {**PATIENT, "id": other.split("/")[1]}), failing)
        )
        assert answer.status_code == status, answer.text
        assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
        assert (await client.get(f"{FHIR}/{other}")).status_code == 404
    twice = bundle("transaction", entry("PATCH", url, wrapped(active)), entry("DELETE", url))
    assert (await client.post(FHIR, json=twice)).status_code == 400
    assert (await client.get(f"{FHIR}/{url}")).headers["etag"] == 'W/"1"'


async def test_a_patched_resource_gives_up_what_it_no_longer_claims(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    header = {"if-none-exist": condition}
    made_by = await client.post(f"{FHIR}/Patient", json=resource, headers=header)
    url = f"{FHIR}/Patient/{made_by.json()['id']}"
    await patch(client, url, [{"op": "add", "path": "/active", "value": True}])
    assert (await client.post(f"{FHIR}/Patient", json=resource, headers=header)).status_code == 200
    await patch(client, url, [{"op": "remove", "path": "/identifier"}])
    assert (await client.post(f"{FHIR}/Patient", json=resource, headers=header)).status_code == 201
