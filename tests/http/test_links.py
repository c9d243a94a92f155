"""Links between entries of a Bundle: wherever one may stand, with versions and fragments, conditional ones last.

https://hl7.org/fhir/R4/http.html#trules · https://hl7.org/fhir/R4/bundle.html#references
"""

import uuid
from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, entry

Json = dict[str, Any]
FHIR = "/fhir"
UUID = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
OID = "urn:oid:1.2.704.9"
HTTP = "http://his.example/fhir/Patient/23"
ANY = "http://example.org/x"


def basic(**members: Any) -> Json:
    return {"resourceType": "Basic", "code": {"text": "x"}, **members}


def div(text: str) -> Json:
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


async def post(client: httpx.AsyncClient, *entries: Json) -> list[Json]:
    """Post a transaction; return what it stored, in the order of its entries."""
    answer = await client.post(FHIR, json=bundle("transaction", *entries), headers={"prefer": "return=representation"})
    assert answer.status_code == 200, answer.text
    return [row["resource"] for row in answer.json()["entry"]]


def at(resource: Json, path: str) -> Any:
    value: Any = resource
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else value[step]
    return value


# Where a link stands, the resource, what of it is replaced: the whole (True), what stands before a mark, or nothing.
PLACES = [
    ("subject.reference", basic(subject={"reference": "{link}"}), "{target}"),
    ("subject.reference", basic(subject={"reference": "{link}/_history/7"}), "{target}/_history/1"),
    (
        "contained.0.subject.reference",
        basic(contained=[basic(id="a", subject={"reference": "{link}"})], subject={"reference": "#a"}),
        "{target}",
    ),
    (
        "extension.0.valueReference.reference",
        basic(extension=[{"url": ANY, "valueReference": {"reference": "{link}"}}]),
        "{target}",
    ),
    (
        "extension.0.extension.0.valueReference.reference",
        basic(extension=[{"url": ANY, "extension": [{"url": "a", "valueReference": {"reference": "{link}"}}]}]),
        "{target}",
    ),
    (
        "_created.extension.0.valueReference.reference",
        basic(_created={"extension": [{"url": ANY, "valueReference": {"reference": "{link}"}}]}),
        "{target}",
    ),
    (
        "parameter.0.valueReference.reference",
        {"resourceType": "Parameters", "parameter": [{"name": "a", "valueReference": {"reference": "{link}"}}]},
        "{target}",
    ),
    (
        "parameter.0.part.0.resource.subject.reference",
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "a", "part": [{"name": "b", "resource": basic(subject={"reference": "{link}"})}]}],
        },
        "{target}",
    ),
    ("extension.0.valueUri", basic(extension=[{"url": ANY, "valueUri": "{link}"}]), "{target}"),
    ("extension.0.valueUrl", basic(extension=[{"url": ANY, "valueUrl": "{link}#a"}]), "{target}#a"),
    ("extension.0.valueCanonical", basic(extension=[{"url": ANY, "valueCanonical": "{link}"}]), "{link}"),
    ("extension.0.valueCanonical", basic(extension=[{"url": ANY, "valueCanonical": "{link}|2"}]), "{link}|2"),
    ("extension.0.valueString", basic(extension=[{"url": ANY, "valueString": "{link}"}]), "{link}"),
    ("identifier.0.value", basic(identifier=[{"system": "urn:ietf:rfc:3986", "value": "{link}"}]), "{link}"),
    ("subject.identifier.value", basic(subject={"identifier": {"value": "{link}"}}), "{link}"),
    ("text.div", basic(text=div('<a href="{link}">x</a>')), div('<a href="{target}">x</a>')["div"]),
    ("text.div", basic(text=div("see {link}")), div("see {link}")["div"]),
]


def filled(value: Any, link: str) -> Any:
    """Return `value` with `link` where it says {link}."""
    if isinstance(value, dict):
        return {name: filled(member, link) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(item, link) for item in value]
    return value.replace("{link}", link) if isinstance(value, str) else value


@pytest.mark.parametrize("link", [UUID, OID, HTTP])
@pytest.mark.parametrize(
    ("path", "resource", "expected"), PLACES, ids=[f"{n} {row[0]}" for n, row in enumerate(PLACES)]
)
async def test_a_link_is_replaced_wherever_r4_says(
    client: httpx.AsyncClient, path: str, resource: Json, expected: str, link: str
) -> None:
    linking = filled(resource, link)
    for rows in ([0, 1], [1, 0]):  # the order of entries does not matter
        entries = [
            entry("POST", "Patient", PATIENT, fullUrl=link),
            entry("POST", linking["resourceType"], linking, fullUrl="urn:uuid:0d1b6d3e-9a31-4f4e-8b1a-5d0f6f0c0001"),
        ]
        stored = await post(client, *(entries[row] for row in rows))
        patient, found = stored[rows.index(0)], stored[rows.index(1)]
        assert at(found, path) == expected.format(link=link, target=f"Patient/{patient['id']}")


async def test_a_link_with_a_version_names_the_version_that_is_made(client: httpx.AsyncClient) -> None:
    id = str(uuid.uuid4())
    await client.put(f"{FHIR}/Patient/{id}", json={**PATIENT, "id": id})
    put = entry(
        "PUT", f"Patient/{id}", {**PATIENT, "id": id, "active": True}, fullUrl=f"http://his.example/fhir/Patient/{id}"
    )
    about = entry(
        "POST",
        "Basic",
        basic(subject={"reference": f"Patient/{id}/_history/1"}),
        fullUrl="http://his.example/fhir/Basic/1",
    )
    patient, found = await post(client, put, about)
    assert patient["meta"]["versionId"] == "2"
    assert found["subject"]["reference"] == f"Patient/{id}/_history/2"
    # The same once more: nothing changes in the patient, but the version that is told of is made.
    patient, found = await post(client, put, about)
    assert found["subject"]["reference"] == f"Patient/{id}/_history/3"
    assert (await client.get(f"{FHIR}/{found['subject']['reference']}")).status_code == 200


async def test_resources_may_link_to_each_other(client: httpx.AsyncClient) -> None:
    other = "urn:uuid:0d1b6d3e-9a31-4f4e-8b1a-5d0f6f0c0002"
    one = {**PATIENT, "link": [{"other": {"reference": other}, "type": "seealso"}]}
    two = {**PATIENT, "link": [{"other": {"reference": f"{UUID}/_history/1"}, "type": "seealso"}]}
    first, second = await post(
        client, entry("POST", "Patient", one, fullUrl=UUID), entry("POST", "Patient", two, fullUrl=other)
    )
    assert first["link"][0]["other"]["reference"] == f"Patient/{second['id']}"
    assert second["link"][0]["other"]["reference"] == f"Patient/{first['id']}/_history/1"


def numbered(number: str) -> Json:
    return {**PATIENT, "identifier": [{"system": "urn:x", "value": number}]}


async def test_a_conditional_reference_is_resolved_after_the_writes(client: httpx.AsyncClient) -> None:
    number = str(uuid.uuid4())
    about = entry("POST", "Basic", basic(subject={"reference": f"Patient?identifier=urn:x|{number}"}))
    found, patient = await post(client, about, entry("POST", "Patient", numbered(number)))
    assert found["subject"]["reference"] == f"Patient/{patient['id']}"
    # One that gives the number up in the same transaction, and another that takes it.
    id = patient["id"]
    given = entry("PUT", f"Patient/{id}", {**numbered("other"), "id": id})
    found, _, second = await post(client, about, given, entry("POST", "Patient", numbered(number)))
    assert found["subject"]["reference"] == f"Patient/{second['id']}"


async def test_what_a_conditional_reference_leads_to_may_have_one_itself(client: httpx.AsyncClient) -> None:
    number = str(uuid.uuid4())
    office = {"resourceType": "Organization", "name": "x", "identifier": [{"system": "urn:x", "value": number}]}
    child = {**numbered(number), "managingOrganization": {"reference": f"Organization?identifier=urn:x|{number}"}}
    found, patient, organization = await post(
        client,
        entry("POST", "Basic", basic(subject={"reference": f"Patient?identifier=urn:x|{number}"})),
        entry("POST", "Patient", child),
        entry("POST", "Organization", office),
    )
    assert found["subject"]["reference"] == f"Patient/{patient['id']}"
    assert patient["managingOrganization"]["reference"] == f"Organization/{organization['id']}"


async def refused(client: httpx.AsyncClient, *entries: Json) -> Json:
    answer = await client.post(FHIR, json=bundle("transaction", *entries))
    assert answer.status_code == 412, answer.text
    found: Json = answer.json()["issue"][0]
    return found


async def test_what_the_transaction_deletes_or_doubles_is_no_single_match(client: httpx.AsyncClient) -> None:
    number = str(uuid.uuid4())
    [patient] = await post(client, entry("POST", "Patient", numbered(number)))
    about = entry("POST", "Basic", basic(subject={"reference": f"Patient?identifier=urn:x|{number}"}))
    gone = await refused(client, about, entry("DELETE", f"Patient/{patient['id']}"))
    assert gone["code"] == "not-found"
    twice = await refused(client, about, entry("POST", "Patient", numbered(number)))
    assert twice["code"] == "multiple-matches"


async def test_head_and_operations_that_only_read_are_part_of_a_bundle(client: httpx.AsyncClient) -> None:
    [patient] = await post(client, entry("POST", "Patient", PATIENT))
    name = f"Patient/{patient['id']}"
    rows = [entry("HEAD", name), entry("GET", f"{name}/$everything"), entry("GET", "metadata")]
    for kind in ("batch", "transaction"):
        head, everything, metadata = (await client.post(FHIR, json=bundle(kind, *rows))).json()["entry"]
        assert "resource" not in head
        assert head["response"]["etag"] == 'W/"1"'
        assert everything["resource"]["type"] == "searchset"
        assert metadata["resource"]["resourceType"] == "CapabilityStatement"
    answer = await client.post(FHIR, json=bundle("transaction", entry("POST", f"{name}/$meta-add", PATIENT)))
    assert answer.status_code == 400
    assert "GET" in answer.json()["issue"][0]["diagnostics"]


async def test_entries_of_a_batch_do_not_refer_to_each_other(client: httpx.AsyncClient) -> None:
    rows = [entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Immunization", dose(UUID))]
    first, second = (await client.post(FHIR, json=bundle("batch", *rows))).json()["entry"]
    assert first["response"]["status"] == "201 Created"
    assert second["response"]["status"] == "400"
    assert "transaction" in second["response"]["outcome"]["issue"][0]["diagnostics"]
