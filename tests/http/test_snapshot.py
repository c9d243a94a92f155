"""$snapshot: https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html"""

import uuid
from typing import Any

import httpx
import pytest

Json = dict[str, Any]

R4 = "http://hl7.org/fhir/StructureDefinition"
PROGRAMME = "https://fhir.tiemchung.vn/StructureDefinition/vn-imm-patient"
ADDRESS = "/fhir/StructureDefinition/$snapshot"


def profile(**changes: Any) -> Json:
    return {
        "resourceType": "StructureDefinition",
        "url": f"http://example.org/{uuid.uuid4().hex[:12]}",
        "version": "2.0",
        "name": "Weighed",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Observation",
        "baseDefinition": f"{R4}/vitalsigns",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Observation.valueQuantity", "path": "Observation.valueQuantity", "min": 1},
                {
                    "id": "Observation.valueQuantity.value",
                    "path": "Observation.valueQuantity.value",
                    "minValueDecimal": 0.50,
                },
            ]
        },
        **changes,
    }


def parameters(name: str, **value: Any) -> Json:
    return {"resourceType": "Parameters", "parameter": [{"name": name, **value}]}


def elements(answer: httpx.Response) -> dict[str, Json]:
    """Return the elements of the snapshot by id."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["resourceType"] == "StructureDefinition"
    return {element["id"]: element for element in body["snapshot"]["element"]}


def refused(answer: httpx.Response) -> tuple[int, str | None]:
    """Return the status and where the first issue is."""
    assert answer.json()["resourceType"] == "OperationOutcome"
    return answer.status_code, answer.json()["issue"][0].get("expression", [None])[0]


async def test_the_snapshot_of_a_definition_that_is_sent(client: httpx.AsyncClient) -> None:
    definition = profile()
    bodies = (definition, parameters("definition", resource=definition))
    found = [elements(await client.post(ADDRESS, json=body)) for body in bodies]
    assert found[0] == found[1]
    assert found[0]["Observation.value[x]:valueQuantity"]["min"] == 1
    assert found[0]["Observation.category:VSCat.coding.code"]["fixedCode"] == "vital-signs"  # of its base, R4's own


async def test_numbers_keep_their_digits(client: httpx.AsyncClient) -> None:
    definition = profile()
    text = httpx.Request("POST", "http://x", json=definition).content.replace(b"0.5", b"0.50")
    answer = await client.post(ADDRESS, content=text, headers={"content-type": "application/fhir+json"})
    assert b'"minValueDecimal":0.50' in answer.content


async def test_the_snapshot_of_a_definition_that_is_stored(client: httpx.AsyncClient) -> None:
    definition = profile()
    stored = await client.post("/fhir/StructureDefinition", json=definition)
    assert stored.status_code == 201, stored.text
    id = stored.json()["id"]
    answers = [
        await client.get(f"/fhir/StructureDefinition/{id}/$snapshot"),
        await client.post(f"/fhir/StructureDefinition/{id}/$snapshot"),
        await client.get(ADDRESS, params={"url": definition["url"]}),
        await client.get(ADDRESS, params={"url": f"{definition['url']}|2.0"}),
        await client.post(ADDRESS, json=parameters("url", valueString=definition["url"])),
    ]
    found = [elements(answer) for answer in answers]
    assert all(each == found[0] for each in found)
    assert found[0]["Observation.value[x]:valueQuantity"]["min"] == 1
    assert "snapshot" not in (await client.get(f"/fhir/StructureDefinition/{id}")).json()  # nothing is stored
    derived = profile(
        baseDefinition=definition["url"], differential={"element": [{"path": "Observation.note", "min": 1}]}
    )
    made = elements(await client.post(ADDRESS, json=derived))
    assert (made["Observation.value[x]:valueQuantity"]["min"], made["Observation.note"]["min"]) == (1, 1)


@pytest.mark.parametrize(
    ("url", "id", "least"),
    [
        (PROGRAMME, "Patient.identifier:CCCD", 0),
        (f"{R4}/bp", "Observation.component:SystolicBP", 1),
        (f"{R4}/patient-birthPlace", "Extension.value[x]", 1),
        (f"{R4}/Patient", "Patient.link.other", 1),
    ],
    ids=["the programme's", "R4's profile", "R4's extension", "R4's type"],
)
async def test_what_ships_is_asked_for_by_its_url(client: httpx.AsyncClient, url: str, id: str, least: int) -> None:
    assert elements(await client.get(ADDRESS, params={"url": url}))[id]["min"] == least


ELEMENT = "StructureDefinition.differential.element[0]"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (profile(differential={"element": [{"path": "Observation.weight"}]}), (422, ELEMENT)),
        (profile(differential={"element": [{"path": "Observation.status", "min": 0}]}), (422, ELEMENT)),
        (profile(baseDefinition="http://example.org/none"), (422, "StructureDefinition")),
        (profile(differential={"element": [{}]}), (422, "StructureDefinition")),
        (profile(differential={"element": [{"path": "Observation.id", "type": 7}]}), (422, "StructureDefinition")),
        (parameters("definition", resource={"resourceType": "Patient"}), (400, None)),
        (parameters("definition", valueString="x"), (400, None)),
        (parameters("profile", valueString="x"), (400, None)),
        ({"resourceType": "Parameters"}, (400, None)),
        (parameters("url", valueString="http://example.org/none"), (404, None)),
        (parameters("url", valueString=f"{PROGRAMME}|0.0.0"), (404, None)),
    ],
    ids=[
        *("no such element", "optional again", "unknown base", "no path", "no types", "another type"),
        *("no resource", "unknown parameter", "nothing", "unknown url", "unknown version"),
    ],
)
async def test_what_has_no_snapshot_is_refused(
    client: httpx.AsyncClient, body: Json, expected: tuple[int, str | None]
) -> None:
    answer = await client.post(ADDRESS, json=body)
    assert refused(answer) == expected
    assert "extension" in answer.json()["issue"][0]["details"]["_text"]  # the other language


async def test_a_definition_is_named_in_one_way_only(client: httpx.AsyncClient) -> None:
    both = await client.post(ADDRESS, params={"url": PROGRAMME}, json=profile())
    assert both.status_code == 400
    assert (await client.get("/fhir/StructureDefinition/none/$snapshot")).status_code == 404
    assert (await client.get("/fhir/Patient/$snapshot")).status_code == 400


async def test_what_somebody_calls_like_a_type_of_r4_is_not_taken_for_it(client: httpx.AsyncClient) -> None:
    url = f"{R4}/Group"
    base = {"path": "Group", "min": 0, "max": "*"}
    element = {"id": "Group", **base, "definition": "x", "base": base}
    own = profile(url=url, type="Group", baseDefinition=f"{R4}/DomainResource", snapshot={"element": [element]})
    del own["differential"], own["derivation"]
    stored = await client.post("/fhir/StructureDefinition", json=own)
    assert stored.status_code == 201, stored.text
    rows = {"element": [{"path": "Group.quantity", "min": 1}]}
    definition = profile(type="Group", baseDefinition=url, differential=rows)
    made = elements(await client.post(ADDRESS, json=definition))
    await client.delete(f"/fhir/StructureDefinition/{stored.json()['id']}")
    assert made["Group.quantity"]["min"] == 1


async def test_it_may_stand_in_a_batch(client: httpx.AsyncClient) -> None:
    row = {"request": {"method": "GET", "url": f"StructureDefinition/$snapshot?url={PROGRAMME}"}}
    answer = await client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": [row]})
    [entry] = answer.json()["entry"]
    assert entry["response"]["status"].startswith("200")
    assert entry["resource"]["snapshot"]["element"][0]["id"] == "Patient"
