"""Certificates in every format, several at once, and SMART Health Cards for the person's own telephone.

https://spec.smarthealth.cards/ · https://smart.who.int/icvp/ · ICAO Technical Report VDS-NC
"""

import json
import uuid
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.certificates import icvp
from signing import development, jws, shc
from signing.algorithms import ES256, PS256
from tests.http.persons import COVID_19, SCT, covid, person, recorded, vaccinated
from tests.http.serving import dose, serving

Json = dict[str, Any]
YELLOW_FEVER = "16541001"
STAMARIL = {"coding": [{"system": icvp.PREQUALIFIED, "code": "YellowFeverProductd2c75a15ed309658b3968519ddb31690"}]}


async def issue(client: httpx.AsyncClient, id: str, **codes: str) -> httpx.Response:
    rows = [{"name": name, "valueCode": code} for name, given in codes.items() for code in given.split(",")]
    return await client.post(
        f"/fhir/Patient/{id}/$issue-certificate", json={"resourceType": "Parameters", "parameter": rows}
    )


def values(rows: list[Json]) -> Json:
    return {row["name"]: next(row[key] for key in row if key != "name") for row in rows}


async def issued(client: httpx.AsyncClient, id: str, **codes: str) -> Json:
    answer = await issue(client, id, **codes)
    assert answer.status_code == 200, answer.text
    return values(answer.json()["parameter"])


async def verified(client: httpx.AsyncClient, text: str) -> Json:
    said: Json = (await client.post("/certificates/verify", json={"certificate": text})).json()
    return said


def dose_against_yellow_fever(patient: str, **changes: Any) -> Json:
    protocol = {"targetDisease": [{"coding": [{"system": SCT, "code": YELLOW_FEVER}]}], "doseNumberPositiveInt": 1}
    given = {"vaccineCode": STAMARIL, "occurrenceDateTime": "2026-03-02", "protocolApplied": [protocol]}
    return dose(f"Patient/{patient}", **given, **changes)


async def travelled(client: httpx.AsyncClient, **changes: Any) -> str:
    id = uuid.uuid4().hex
    given = covid(id, "2021-08-14", 1), covid(id, "2021-09-11", 2), dose_against_yellow_fever(id, **changes)
    return await recorded(client, person(id, f"001188{uuid.uuid4().int % 1_000_000:06}"), *given)


@pytest.mark.parametrize("format", ["hc1", "shc", "vds-nc"])
@pytest.mark.parametrize(
    ("day", "rule"), [("2999-01-01", "dose-in-future"), ("1987-01-01", "dose-before-birth")], ids=["future", "birth"]
)
async def test_what_cannot_have_happened_is_certified_in_no_format(
    client: httpx.AsyncClient, format: str, day: str, rule: str
) -> None:
    id = uuid.uuid4().hex
    await recorded(client, person(id, f"001188{uuid.uuid4().int % 1_000_000:06}"), covid(id, day, 1))
    answer = await issue(client, id, format=format)
    assert (answer.status_code, rule in answer.text) == (422, True), answer.text


@pytest.mark.parametrize(
    ("format", "target"),
    [("hc1", COVID_19), ("shc", None), ("icvp", YELLOW_FEVER), ("vds-nc", COVID_19)],
    ids=["hc1", "shc", "icvp", "vds-nc"],
)
async def test_every_format_verifies_and_is_void_once_a_dose_is_corrected(
    client: httpx.AsyncClient, format: str, target: str | None
) -> None:
    id = await travelled(client)
    certificate = await issued(client, id, format=format, **({"targetDisease": target} if target else {}))
    said = await verified(client, certificate["content"])
    assert said["valid"] is True, said
    assert {row["stage"]: row["code"] for row in said["stages"]}["revocation"] == "ok"
    for picture in ("qr.svg", "qr.png"):
        assert (await client.get(f"/certificates/{certificate['identifier']}/{picture}")).status_code == 200
    found = (await client.get(f"/fhir/Immunization?patient=Patient/{id}")).json()["entry"]
    for entry in found:
        changed = {**entry["resource"], "lotNumber": "CORRECTED-1"}
        assert (await client.put(f"/fhir/Immunization/{changed['id']}", json=changed)).status_code == 200
    said = await verified(client, certificate["content"])
    assert said["valid"] is False
    assert {row["stage"]: row["code"] for row in said["stages"]}["revocation"] == "revoked"


async def test_several_formats_at_once_are_all_issued(client: httpx.AsyncClient) -> None:
    id = await travelled(client)
    answer = await issue(client, id, format="hc1,shc,vds-nc")
    assert answer.status_code == 200, answer.text
    found = [values(row["part"]) for row in answer.json()["parameter"]]
    assert [row["format"] for row in found] == ["hc1", "shc", "vds-nc"]
    assert len({row["identifier"] for row in found}) == 3
    assert all([(await verified(client, row["content"]))["valid"] for row in found])


async def test_of_several_formats_all_are_issued_or_none(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    answer = await issue(client, id, format="hc1,icvp")
    assert answer.status_code == 422
    history = await client.get(f"/fhir/Patient/{id}/$certificates")
    assert history.json().get("parameter", []) == []


async def test_a_health_card_says_no_more_than_it_must(client: httpx.AsyncClient) -> None:
    id = await travelled(client)
    certificate = await issued(client, id, format="shc")
    card = json.loads(jws.payload(jws.parse(certificate["content"])))
    entries = card["vc"]["credentialSubject"]["fhirBundle"]["entry"]
    assert [row["fullUrl"] for row in entries] == [f"resource:{place}" for place in range(4)]
    patient, *doses = (row["resource"] for row in entries)
    assert set(patient) == {"resourceType", "name", "birthDate"}
    assert [row["occurrenceDateTime"] for row in doses] == ["2021-08-14", "2021-09-11", "2026-03-02"]
    written = json.dumps(entries)
    assert not any(word in written for word in ('"id"', '"meta"', '"display": "Comirnaty', '"text"'))
    assert all(row["patient"] == {"reference": "resource:0"} for row in doses)
    assert certificate["identifier"] not in json.dumps(card)
    document = (await client.get(f"/fhir/{certificate['document']['reference']}")).json()
    [content] = document["content"]
    assert content["attachment"]["contentType"] == "application/smart-health-card"
    assert shc.in_file(b64decode(content["attachment"]["data"]).decode()) == (certificate["content"],)


async def test_a_seal_names_the_person_as_a_passport_does(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    certificate = await issued(client, id, format="vds-nc")
    message = json.loads(certificate["content"])["data"]["msg"]
    assert message["pid"] == {"n": "DO  THI NGOC BICH", "dob": "1988-02-29", "sex": "F"}
    [event] = message["ve"]
    assert (event["des"], event["dis"]) == ("XM0GQ8", "RA01.0")
    assert [(row["dvc"], row["seq"], row["ctr"]) for row in event["vd"]] == [
        ("2021-08-14", 1, "VNM"),
        ("2021-09-11", 2, "VNM"),
    ]
    assert message["uvci"] == certificate["identifier"]


async def test_the_international_certificate_needs_a_prequalified_product(client: httpx.AsyncClient) -> None:
    id = await travelled(client)
    found = (await client.get(f"/fhir/Immunization?patient=Patient/{id}&date=2026")).json()["entry"][0]["resource"]
    unnamed = {**found, "vaccineCode": {"text": "Stamaril"}}
    assert (await client.put(f"/fhir/Immunization/{found['id']}", json=unnamed)).status_code == 200
    answer = await issue(client, id, format="icvp")
    assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (422, "icvp-product")


@pytest.mark.parametrize(
    ("format", "target", "rule"),
    [
        ("icvp", "14189004", "icvp-target"),
        ("icvp", "398102009", "icvp-no-dose"),
        ("shc", "14189004", "shc-no-dose"),
        ("vds-nc", "14189004", "dcc-target"),
    ],
)
async def test_what_a_format_cannot_say_is_refused(
    client: httpx.AsyncClient, format: str, target: str, rule: str
) -> None:
    id = await travelled(client)
    answer = await issue(client, id, format=format, targetDisease=target)
    assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (422, rule)


async def test_an_algorithm_that_no_key_is_for_is_not_available(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    assert (await issue(client, id, algorithm="PS256")).status_code == 503
    assert (await issue(client, id, algorithm="HS256")).status_code == 400


async def test_of_two_keys_the_one_for_the_algorithm_asked_for_signs(
    mongodb_uri: str, database: str, tmp_path: Path
) -> None:
    for code in (ES256, PS256):
        development.generate(tmp_path, datetime.now(UTC), code)
    async with serving(mongodb_uri, database, keys=tmp_path) as client:
        id, _ = await vaccinated(client)
        for name in ("ES256", "PS256"):
            said = await verified(client, (await issued(client, id, algorithm=name))["content"])
            assert (said["valid"], said["algorithm"]) == (True, name)
        assert (await issue(client, id, format="shc", algorithm="PS256")).status_code == 503


async def cards(client: httpx.AsyncClient, id: str, *rows: Json) -> httpx.Response:
    body = {"resourceType": "Parameters", "parameter": list(rows)}
    return await client.post(f"/fhir/Patient/{id}/$health-cards-issue", json=body)


def wanted(type: str) -> Json:
    return {"name": "credentialType", "valueUri": type}


@pytest.mark.parametrize(
    "type", ["https://smarthealth.cards#immunization", "#immunization", "Immunization"], ids=["full", "short", "plain"]
)
async def test_a_telephone_asks_for_its_health_card(client: httpx.AsyncClient, type: str) -> None:
    id = await travelled(client)
    answer = await cards(client, id, wanted(type))
    assert answer.status_code == 200, answer.text
    card, *links = answer.json()["parameter"]
    assert (await verified(client, card["valueString"]))["valid"] is True
    hosted = [values(row["part"]) for row in links]
    assert hosted[0]["bundledResource"] == "resource:0"
    assert hosted[0]["hostedResource"].endswith(f"/fhir/Patient/{id}")
    assert (await client.get(hosted[1]["hostedResource"])).json()["resourceType"] == "Immunization"


async def test_the_person_may_want_more_or_less_on_the_card(client: httpx.AsyncClient) -> None:
    id = await travelled(client)
    claim = {"name": "includeIdentityClaim", "valueString": "Patient.gender"}
    answer = await cards(client, id, wanted("https://smarthealth.cards#covid19"), claim)
    card = json.loads(jws.payload(jws.parse(answer.json()["parameter"][0]["valueString"])))
    patient, *doses = (row["resource"] for row in card["vc"]["credentialSubject"]["fhirBundle"]["entry"])
    assert (patient["gender"], len(doses)) == ("female", 2)


async def test_nothing_new_is_no_card(client: httpx.AsyncClient) -> None:
    id = await travelled(client)
    since = {"name": "_since", "valueDateTime": datetime.now(UTC).isoformat()}
    answer = await cards(client, id, wanted("#immunization"), since)
    assert (answer.status_code, answer.json().get("parameter", [])) == (200, [])


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (wanted("https://smarthealth.cards#laboratory"),),
        (wanted("#immunization"), {"name": "includeIdentityClaim", "valueString": "Patient.photo"}),
        (wanted("#immunization"), {"name": "credentialValueSet", "valueUri": "urn:x"}),
        (wanted("#immunization"), {"name": "_since", "valueDateTime": "yesterday"}),
    ],
    ids=["no type", "another type", "another claim", "a value set", "no time"],
)
async def test_a_card_that_is_not_issued_here_is_refused(client: httpx.AsyncClient, rows: tuple[Json, ...]) -> None:
    id, _ = await vaccinated(client)
    assert (await cards(client, id, *rows)).status_code == 400


async def test_applications_are_told_that_health_cards_are_issued(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fhir/.well-known/smart-configuration")).json()["capabilities"] == ["health-cards"]
