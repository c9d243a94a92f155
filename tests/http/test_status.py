"""What the population database asks: who is this number, which doses, which certificates; never a guess.

docs/conformance.md describes $immunization-status.
"""

import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from signing import development, hc1, keystore
from signing.keys import SigningKey
from tests.http.persons import CCCD, COVID_19, HEPATITIS_B, SCT, covid, issued, person, protocol, recorded, vaccinated
from tests.http.serving import dose
from tests.http.test_certificates import PAYLOAD

Json = dict[str, Any]
OPERATION = "/fhir/Patient/$immunization-status"
FORMATS = "https://fhir.tiemchung.vn/CodeSystem/certificate-format"


async def status(client: httpx.AsyncClient, number: str) -> httpx.Response:
    return await client.get(OPERATION, params={"identifier": f"{CCCD}|{number}"})


def rows(answer: httpx.Response, name: str) -> list[Json]:
    """Return the parts of every parameter called `name`, each as {name: value}; several values of a name as a list."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "Parameters"
    return [parts(row) for row in answer.json()["parameter"] if row["name"] == name]


def parts(row: Json) -> Json:
    found: Json = {}
    for part in row["part"]:
        value = parts(part) if "part" in part else part[next(key for key in part if key.startswith("value"))]
        if part["name"] == "dose":
            found.setdefault("dose", []).append(value)
        else:
            assert part["name"] not in found
            found[part["name"]] = value
    return found


def new_number() -> str:
    return f"001188{uuid.uuid4().int % 1_000_000:06}"


async def test_the_person_is_told_by_what_confirms_the_identity_and_no_more(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, new_number()
    extra = {"telecom": [{"system": "phone", "value": "0912000111"}], "address": [{"text": "12 phố Hoa Sữa"}]}
    await recorded(client, person(id, number, **extra))
    answer = await status(client, number)
    [patient] = rows(answer, "patient")
    assert patient == {
        "reference": {"reference": f"Patient/{id}"},
        "identifier": {"system": CCCD, "value": number},
        "name": {"use": "official", "text": "Đỗ Thị Ngọc Bích", "family": "Đỗ", "given": ["Thị", "Ngọc", "Bích"]},
        "birthDate": "1988-02-29",
        "gender": "female",
    }
    assert [row["name"] for row in answer.json()["parameter"]] == ["patient"]
    assert not any(secret in answer.text for secret in ("0912000111", "Hoa Sữa"))


async def test_doses_come_by_disease_in_the_order_they_were_given(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, new_number()
    await client.put(
        "/fhir/Organization/tram", json={"resourceType": "Organization", "id": "tram", "name": "Trạm Y tế"}
    )
    where = [{"actor": {"reference": "Organization/tram"}}, {"actor": {"reference": "Practitioner/x"}}]
    combined = protocol(HEPATITIS_B, 1, 3)
    combined["targetDisease"].append({"coding": [{"system": SCT, "code": "27836007"}]})
    await recorded(
        client,
        person(id, number),
        covid(id, "2021-09-11", 2, lotNumber="C-2", performer=where),
        covid(id, "2021-08-14", 1, lotNumber="C-1"),
        dose(f"Patient/{id}", occurrenceDateTime="2020-01-02", protocolApplied=[combined]),
    )
    diseases = rows(await status(client, number), "disease")
    assert [row["targetDisease"]["code"] for row in diseases] == ["27836007", "66071002", "840539006"]
    assert [[given["date"] for given in row["dose"]] for row in diseases] == [
        ["2020-01-02"],
        ["2020-01-02"],
        ["2021-08-14", "2021-09-11"],
    ]
    last = diseases[2]["dose"][1]
    assert (last["doseNumber"], last["lot"], last["facility"]) == (2, "C-2", "Trạm Y tế")
    assert last["product"]["coding"][0]["code"] == "comirnaty"
    assert "facility" not in diseases[2]["dose"][0]


async def test_the_order_of_doses_is_that_of_time_in_whatever_zone_it_was_written(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, new_number()
    days = [
        "2016-12-31T23:59:60Z",
        "2025-08-21T05:00:00+07:00",
        "2025-08-20T23:30:00.5Z",
        "2025-08-22",
        "2025-09",
        "2026",
    ]
    await recorded(client, person(id, number), *(covid(id, day, 1) for day in reversed(days)))
    [disease] = rows(await status(client, number), "disease")
    assert [given["date"] for given in disease["dose"]] == days


async def test_a_dose_that_names_no_disease_counts_for_those_of_its_vaccine(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, new_number()
    unknown = {"vaccineCode": {"text": "vắc xin gì đó"}, "protocolApplied": None}
    await recorded(
        client,
        person(id, number),
        covid(id, "2021-08-14", 1, protocolApplied=None),
        covid(id, "2020-01-01", 1, **unknown),
    )
    diseases = rows(await status(client, number), "disease")
    assert [row.get("targetDisease", {}).get("code") for row in diseases] == [None, COVID_19]


@pytest.mark.parametrize("state", ["not-done", "entered-in-error"])
async def test_only_doses_that_were_given_count(client: httpx.AsyncClient, state: str) -> None:
    id, number = uuid.uuid4().hex, new_number()
    await recorded(client, person(id, number), covid(id, "2021-08-14", 1, status=state))
    assert rows(await status(client, number), "disease") == []


def document(patient: str, text: str | None, **changes: Any) -> Json:
    """Return a DocumentReference as the server keeps certificates in."""
    attachment = {} if text is None else {"data": b64encode(text.encode()).decode()}
    given = {
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"URN:UVCI:01:VN:{uuid.uuid4().hex.upper()}"},
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", **attachment}, "format": {"system": FORMATS}}],
        **changes,
    }
    named = {name: value for name, value in given.items() if value is not None}
    return {"resourceType": "DocumentReference", "subject": {"reference": f"Patient/{patient}"}, **named}


async def test_the_certificates_that_are_valid_now_are_named(
    client: httpx.AsyncClient, keys_now: SigningKey, tmp_path: Path
) -> None:
    id, number = await vaccinated(client)
    certificate = await issued(client, id)
    now = datetime.now(UTC)
    then = int((now - timedelta(days=400)).timestamp())
    stranger = hc1.issue(PAYLOAD, development.generate(tmp_path / "k", now), now).text
    good = hc1.issue(PAYLOAD, keys_now, now).text
    for kept in (
        document(id, hc1.encode(PAYLOAD, keys_now, then, then + 86400)),  # expired
        document(id, stranger),
        document(id, certificate["content"][:-5]),
        document(id, good, status="superseded"),
        document(id, good, status="entered-in-error"),
        document("somebody-else", good),
    ):
        assert (await client.post("/fhir/DocumentReference", json=kept)).status_code == 201
    [told] = rows(await status(client, number), "certificate")
    assert told["identifier"] == {"system": "urn:ietf:rfc:3986", "value": certificate["identifier"]}
    assert (told["format"], told["expires"]) == ("hc1", certificate["expires"])


@pytest.fixture
def keys_now(keys: Path) -> SigningKey:
    return key_of(keys)


def key_of(folder: Path) -> SigningKey:
    return keystore.load(folder).signer(datetime.now(UTC))


DOCUMENTS: dict[str, Json] = {
    "without an identifier": {"masterIdentifier": None},
    "without its value": {"masterIdentifier": {"system": "urn:ietf:rfc:3986"}},
    "elsewhere": {
        "content": [{"attachment": {"url": "http://example.org/x"}, "format": {"system": FORMATS, "code": "hc1"}}]
    },
    "bytes": {
        "content": [{"attachment": {"contentType": "text/plain", "data": "//79/A=="}, "format": {"system": FORMATS}}]
    },
    "another format": {
        "content": [
            {"attachment": {"contentType": "text/plain", "data": "AAAA"}, "format": {"system": "urn:x", "code": "y"}}
        ]
    },
    "too long for a picture": {
        "content": [
            {
                "attachment": {"contentType": "text/plain", "data": b64encode(b"HC1:" + b"A" * 9000).decode()},
                "format": {"system": FORMATS},
            }
        ]
    },
}


@pytest.mark.parametrize("case", DOCUMENTS)
async def test_documents_of_others_are_in_nobodys_way(client: httpx.AsyncClient, case: str) -> None:
    id, number = await vaccinated(client)
    certificate = await issued(client, id)
    identifier = {"system": "urn:ietf:rfc:3986", "value": certificate["identifier"]}
    foreign = document(id, None, **{"masterIdentifier": identifier, "identifier": [identifier], **DOCUMENTS[case]})
    assert (await client.post("/fhir/DocumentReference", json=foreign)).status_code == 201
    assert len(rows(await status(client, number), "certificate")) == 1
    assert (await client.get(f"/certificates/{certificate['identifier']}/qr.png")).status_code == 200


async def test_a_document_that_cannot_be_drawn_has_no_picture(client: httpx.AsyncClient) -> None:
    foreign = document("x", "HC1:" + "A" * 9000)
    assert (await client.post("/fhir/DocumentReference", json=foreign)).status_code == 201
    answer = await client.get(f"/certificates/{foreign['masterIdentifier']['value']}/qr.png")
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


async def test_get_and_post_answer_the_same(client: httpx.AsyncClient) -> None:
    _, number = await vaccinated(client)
    expected = (await status(client, number)).json()
    for value in (
        {"valueString": f"{CCCD}|{number}"},
        {"valueIdentifier": {"system": CCCD, "value": number}},
        {"valueUri": f"{CCCD}|{number}"},
    ):
        body = {"resourceType": "Parameters", "parameter": [{"name": "identifier", **value}]}
        answer = await client.post(OPERATION, json=body)
        assert (answer.status_code, answer.json()) == (200, expected), value


async def test_a_number_is_one_number_whatever_signs_it_holds(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, f"{uuid.uuid4().hex},a|b$c\\d"
    await recorded(client, person(id, number))
    [patient] = rows(await status(client, number), "patient")
    assert patient["identifier"] == {"system": CCCD, "value": number}
    await recorded(client, person(uuid.uuid4().hex, first := new_number()))
    assert (await status(client, f"{first},{number}")).status_code == 404


async def test_an_unknown_number_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await status(client, "999999999999")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")
    assert "999999999999" not in answer.text


async def test_a_number_of_several_records_is_a_conflict_until_one_is_left(client: httpx.AsyncClient) -> None:
    number = new_number()
    first = await recorded(client, person(uuid.uuid4().hex, number))
    second = await recorded(client, person(uuid.uuid4().hex, number, name=[{"text": "Lê Văn Khác"}]))
    answer = await status(client, number)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (409, "multiple-matches")
    assert not any(secret in answer.text for secret in ("Bích", "Khác", first, second, number))
    await client.delete(f"/fhir/Patient/{second}")
    assert rows(await status(client, number), "patient")[0]["reference"] == {"reference": f"Patient/{first}"}
    await client.delete(f"/fhir/Patient/{first}")
    assert (await status(client, number)).status_code == 404


async def test_two_numbers_that_differ_in_case_are_two_people(client: httpx.AsyncClient) -> None:
    system, number = "https://his.example/mrn", f"mrn-{uuid.uuid4().hex}"
    for id, value in (("low-case", number), ("high-case", number.upper())):
        patient = {"resourceType": "Patient", "id": id, "identifier": [{"system": system, "value": value}]}
        assert (await client.put(f"/fhir/Patient/{id}", json=patient)).status_code == 201
    answer = await client.get(OPERATION, params={"identifier": f"{system}|{number}"})
    assert [row["reference"] for row in rows(answer, "patient")] == [{"reference": "Patient/low-case"}]
    answer = await client.get(OPERATION, params={"identifier": f"{system}|{number.capitalize()}"})
    assert answer.status_code == 404


async def test_the_system_is_part_of_the_number(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, new_number()
    await recorded(client, person(id, number))
    answer = await client.get(OPERATION, params={"identifier": f"http://other.example|{number}"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "",
        "identifier=",
        "identifier=001188000001",
        "identifier=|001188000001",
        f"identifier={CCCD}|",
        f"identifier={CCCD}|1&identifier={CCCD}|2",
        f"identifier={CCCD}|1&birthdate=1988-02-29",
        f"identifier:exact={CCCD}|1",
    ],
)
async def test_a_question_without_one_whole_number_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{OPERATION}?{query}")
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize(
    "value",
    [
        {"valueIdentifier": {"value": "001188000001"}},
        {"valueIdentifier": {"system": CCCD}},
        {"valueIdentifier": {"system": CCCD, "value": 5}},
        {"valueIdentifier": []},
        {"valueInteger": 1188000001},
        {"valueIdentifier": None},
    ],
    ids=str,
)
async def test_a_body_without_one_whole_number_is_refused(client: httpx.AsyncClient, value: Json) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "identifier", **value}]}
    answer = await client.post(OPERATION, json=body)
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


async def test_the_answer_is_small(client: httpx.AsyncClient) -> None:
    id, number = uuid.uuid4().hex, new_number()
    doses = [covid(id, f"2021-{month:02}-14", month, note=[{"text": "dài " * 500}]) for month in range(1, 11)]
    await recorded(client, person(id, number, photo=[{"contentType": "image/png", "data": "AAAA" * 5000}]), *doses)
    answer = await status(client, number)
    assert len(rows(answer, "disease")[0]["dose"]) == 10
    assert len(answer.content) < 10_000
