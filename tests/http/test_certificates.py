"""Certificates: asked for by a hospital, shown as a QR code, verified at a border; refused when records do not suffice.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""

import logging
import re
import uuid
import zlib
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw
from pymongo import MongoClient

from signing import base45, development, hc1, keystore, lists, qr
from signing.keys import SigningKey
from signing.verify import verify
from tests.http.persons import COMIRNATY, COVID_19, covid, issue, issued, person, protocol, recorded, vaccinated
from tests.http.serving import serving

Json = dict[str, Any]


async def verified(client: httpx.AsyncClient, text: str) -> Json:
    answer = await client.post("/certificates/verify", json={"certificate": text})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    said: Json = answer.json()
    return said


def failure(said: Json) -> tuple[str, str]:
    """Return the first stage that failed, and why."""
    return next((row["stage"], row["code"]) for row in said["stages"] if row["ok"] is False)


async def test_an_issued_certificate_is_valid_and_says_who_got_what(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    certificate = await issued(client, id)
    said = await verified(client, certificate["content"])
    assert (said["valid"], said["issuer"], said["algorithm"]) == (True, "VN", "ES256")
    assert said["content"]["nam"]["fnt"] == "DO"
    assert said["content"]["nam"]["gnt"] == "THI<NGOC<BICH"
    assert said["content"]["dob"] == "1988-02-29"
    [shot] = said["content"]["v"]
    assert (shot["tg"], shot["mp"], shot["dn"], shot["sd"], shot["dt"], shot["co"], shot["ci"]) == (
        COVID_19,
        "EU/1/20/1528",
        2,
        2,
        "2021-09-11",
        "VN",
        certificate["identifier"],
    )
    assert re.fullmatch(r"URN:UVCI:01:VN:[0-9A-F]{32}", certificate["identifier"])
    expires = datetime.fromisoformat(certificate["expires"])
    assert timedelta(days=364) < expires - datetime.now(UTC) <= timedelta(days=366)
    assert datetime.fromisoformat(said["expires"]) == expires


async def test_each_certificate_has_an_identifier_of_its_own(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    assert len({(await issued(client, id))["identifier"] for _ in range(3)}) == 3


async def test_the_format_may_be_left_out(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    assert (await issue(client, id)).status_code == 200
    assert (await issue(client, id, targetDisease=COVID_19)).status_code == 200


def drawn(svg: str) -> bytes:
    """Return an SVG of rectangles `Mx yhwv1h-wz` as a PNG, four pixels a module."""
    found = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    assert found
    picture = Image.new("L", (int(found[1]) * 4,) * 2, 255)
    pen = ImageDraw.Draw(picture)
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", svg):
        left, top = int(x) * 4, int(y) * 4
        pen.rectangle((left, top, left + int(width) * 4 - 1, top + 3), 0)
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def test_the_pictures_read_back_as_the_certificate(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    certificate = await issued(client, id)
    for identifier in (certificate["identifier"], certificate["identifier"].replace(":", "%3A")):
        png = await client.get(f"/certificates/{identifier}/qr.png")
        svg = await client.get(f"/certificates/{identifier}/qr.svg")
        assert (png.headers["content-type"], svg.headers["content-type"]) == ("image/png", "image/svg+xml")
        assert png.headers["cache-control"] == svg.headers["cache-control"] == "no-store"
        assert qr.read(png.content) == qr.read(drawn(svg.text)) == (certificate["content"],)


@pytest.mark.parametrize(
    "path",
    [
        "URN:UVCI:01:VN:00000000000000000000000000000000/qr.png",
        "x/qr.svg",
        "%24where/qr.svg",
        "a%2Fb%2Fc/qr.svg",
        "../../fhir/qr.png",
    ],
)
async def test_the_picture_of_an_unknown_certificate_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/certificates/{path}")
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


async def test_a_picture_of_another_kind_is_not_found(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    answer = await client.get(f"/certificates/{(await issued(client, id))['identifier']}/qr.gif")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")


async def test_the_certificate_is_kept_as_a_document_that_can_be_found(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    certificate = await issued(client, id)
    for query in (f"subject=Patient/{id}", f"identifier=urn:ietf:rfc:3986|{certificate['identifier']}"):
        found = (await client.get(f"/fhir/DocumentReference?{query}")).json()["entry"]
        assert [f"DocumentReference/{row['resource']['id']}" for row in found] == [certificate["document"]], query
    document = (await client.get(f"/fhir/{certificate['document']}")).json()
    [content] = document["content"]
    assert b64decode(content["attachment"]["data"]).decode() == certificate["content"]


async def test_the_trust_list_is_all_a_verifier_needs_and_is_kept_until_it_changes(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    certificate = await issued(client, id)
    answer = await client.get("/certificates/trust-list")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert "max-age=" in answer.headers["cache-control"]
    assert verify(certificate["content"], lists.parse(answer.content), datetime.now(UTC)).valid
    assert "PRIVATE" not in answer.text
    for tag in (answer.headers["etag"], f"W/{answer.headers['etag']}", f'"other", {answer.headers["etag"]}'):
        again = await client.get("/certificates/trust-list", headers={"if-none-match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert (await client.get("/certificates/trust-list", headers={"if-none-match": '"x"'})).status_code == 200


# What is recorded, what is asked for; the status and the rule that refuses.
REFUSALS: dict[str, tuple[Json, list[Json], Json, int, str]] = {
    "no dose": ({}, [], {}, 422, "dcc-no-dose"),
    "a dose against another disease only": (
        {},
        [{"vaccineCode": {"text": "BCG"}, "protocolApplied": [protocol("56717001", 1, 1)]}],
        {},
        422,
        "dcc-no-dose",
    ),
    "not done": ({}, [{"status": "not-done"}], {}, 422, "dcc-not-completed"),
    "entered in error": ({}, [{"status": "entered-in-error"}], {}, 422, "dcc-not-completed"),
    "subpotent": ({}, [{"isSubpotent": True}], {}, 422, "dcc-subpotent"),
    "product without a code": ({}, [{"vaccineCode": {"text": "Comirnaty"}}], {}, 422, "dcc-product"),
    "two products": (
        {},
        [{"vaccineCode": {"coding": [*COMIRNATY["coding"], {**COMIRNATY["coding"][0], "code": "spikevax"}]}}],
        {},
        422,
        "dcc-product",
    ),
    "month only": ({}, [{"occurrenceDateTime": "2021-08"}], {}, 422, "dcc-occurrence-precision"),
    "date as text": (
        {},
        [{"day": None, "occurrenceString": "mùa thu 2021"}],
        {},
        422,
        "dcc-occurrence",
    ),
    "no name": ({"name": None}, [{}], {}, 422, "dcc-name"),
    "no birth date": ({"birthDate": None}, [{}], {}, 422, "dcc-birth-date"),
    "unknown format": ({}, [{}], {"format": "hc2"}, 400, ""),
    "measles": ({}, [{}], {"targetDisease": "14189004"}, 422, "dcc-target"),
    "no disease": ({}, [{}], {"targetDisease": "x"}, 422, "dcc-target"),
    "unknown parameter": ({}, [{}], {"colour": "blue"}, 400, ""),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_records_that_do_not_suffice_are_refused_and_nothing_is_kept(
    client: httpx.AsyncClient, case: str
) -> None:
    changes, doses, parameters, status, rule = REFUSALS[case]
    id = uuid.uuid4().hex
    patient = {name: content for name, content in person(id, "001188000001", **changes).items() if content is not None}
    await recorded(client, patient, *(covid(id, **{"day": "2021-08-14", "number": 1, **each}) for each in doses))
    answer = await issue(client, id, **parameters)
    assert answer.status_code == status, answer.text
    first = answer.json()["issue"][0]
    assert first.get("details", {}).get("coding", [{"code": ""}])[0]["code"] == rule
    assert first["details"]["text"] != first["details"]["_text"]["extension"][0]["extension"][1]["valueString"]
    kept = await client.get(f"/fhir/DocumentReference?subject=Patient/{id}&_summary=count")
    assert kept.json()["total"] == 0


async def test_every_reason_is_told_at_once(client: httpx.AsyncClient) -> None:
    id = uuid.uuid4().hex
    nobody = person(id, "001188000002")
    del nobody["name"], nobody["birthDate"]
    await recorded(client, nobody, covid(id, "2021-08", 1, vaccineCode={"text": "?"}))
    rules = {row["details"]["coding"][0]["code"] for row in (await issue(client, id)).json()["issue"]}
    assert rules >= {"dcc-name", "dcc-birth-date", "dcc-product", "dcc-occurrence-precision"}


async def test_a_dose_that_turns_out_an_error_is_certified_no_longer(client: httpx.AsyncClient) -> None:
    id = uuid.uuid4().hex
    await recorded(client, person(id, "001188000003"), covid(id, "2021-08-14", 1))
    assert (await issue(client, id)).status_code == 200
    [found] = (await client.get(f"/fhir/Immunization?patient=Patient/{id}")).json()["entry"]
    wrong = {**found["resource"], "status": "entered-in-error"}
    assert (await client.put(f"/fhir/Immunization/{wrong['id']}", json=wrong)).status_code == 200
    assert (await issue(client, id)).status_code == 422


async def test_nobody_and_those_deleted_get_none(client: httpx.AsyncClient) -> None:
    assert (await issue(client, "nobody")).status_code == 404
    id, _ = await vaccinated(client)
    await client.delete(f"/fhir/Patient/{id}")
    assert (await issue(client, id)).status_code == 410


PARAMETERS = [
    b"[]",
    b'{"resourceType": "Patient"}',
    b'{"resourceType": "Parameters", "parameter": {}}',
    b'{"resourceType": "Parameters", "parameter": [5]}',
    b'{"resourceType": "Parameters", "parameter": [{"name": "format"}]}',
    b'{"resourceType": "Parameters", "parameter": [{"name": "format", "valueCode": "hc1", "valueString": "hc1"}]}',
    b'{"resourceType": "Parameters", "parameter": [{"name": "format", "valueInteger": 1}]}',
    b'{"resourceType": "Parameters", "parameter": [{"name": ["format"], "valueCode": "hc1"}]}',
    b'{"resourceType": "Parameters", "parameter": [{"name": "format", "valueCode": {"code": {"code": "hc1"}}}]}',
    b'{"resourceType": "Parameters", "parameter": '
    b'[{"name": "format", "valueCode": "hc1"}, {"name": "format", "valueCode": "hc1"}]}',
]


@pytest.mark.parametrize("body", PARAMETERS)
async def test_parameters_that_cannot_be_read_are_refused(client: httpx.AsyncClient, body: bytes) -> None:
    id, _ = await vaccinated(client)
    address = f"/fhir/Patient/{id}/$issue-certificate"
    answer = await client.post(address, content=body, headers={"content-type": "application/fhir+json"})
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


def bomb(size: int) -> str:
    return "HC1:" + base45.encode(zlib.compress(b"\0" * size, 9))


# How a certificate is spoilt, and the stage and the code that notice it.
SPOILT: dict[str, Any] = {
    "one character altered": (lambda text: text[:200] + ("0" if text[200] != "0" else "1") + text[201:], None, None),
    "cut short": (lambda text: text[:-30], None, None),
    "cut to the prefix": (lambda text: text[:4], None, None),
    "without prefix": (lambda text: text[4:], "prefix", "prefix-missing"),
    "small letters": (lambda text: text.lower(), "prefix", "prefix-lower-case"),
    "a space at the end": (lambda text: text + " ", None, None),
    "a line break at the end": (lambda text: text + "\n", "base45", "base45-character"),
    "empty": (lambda text: "", "prefix", "prefix-missing"),
    "Vietnamese text": (lambda text: "HC1:GIẤY CHỨNG NHẬN", "base45", "base45-character"),
    "a zip bomb": (lambda text: bomb(10_000_000), "inflate", "inflated-too-long"),
    "far too long": (lambda text: "HC1:" + "A" * 20_000, "prefix", "too-long"),
    "another version": (lambda text: "HC2:" + text[4:], "prefix", "prefix-missing"),
}


@pytest.mark.parametrize("case", SPOILT)
async def test_a_spoilt_certificate_is_not_valid(client: httpx.AsyncClient, case: str) -> None:
    spoil, stage, code = SPOILT[case]
    id, _ = await vaccinated(client)
    said = await verified(client, spoil((await issued(client, id))["content"]))
    assert said["valid"] is False
    found = failure(said)
    assert stage is None or found == (stage, code)


PAYLOAD = {
    "ver": "1.3.0",
    "nam": {"fn": "Đỗ", "fnt": "DO", "gn": "Bích", "gnt": "BICH"},
    "dob": "1988-02-29",
    "v": [
        {
            "tg": COVID_19,
            "vp": "1119349007",
            "mp": "EU/1/20/1528",
            "ma": "ORG-100030215",
            "dn": 1,
            "sd": 2,
            "dt": "2021-08-14",
            "co": "VN",
            "is": "Bộ Y tế",
            "ci": "URN:UVCI:01:VN:0",
        }
    ],
}


async def test_an_expired_certificate_is_not_valid(client: httpx.AsyncClient, keys: Path) -> None:
    then = int((datetime.now(UTC) - timedelta(days=400)).timestamp())
    said = await verified(client, hc1.encode(PAYLOAD, key_of(keys), then, then + 365 * 86400))
    assert (said["valid"], said["trusted"], failure(said)) == (False, True, ("claims", "expired"))


async def test_a_certificate_from_the_future_is_not_valid(client: httpx.AsyncClient, keys: Path) -> None:
    then = int((datetime.now(UTC) + timedelta(days=2)).timestamp())
    said = await verified(client, hc1.encode(PAYLOAD, key_of(keys), then, then + 86400))
    assert (said["valid"], failure(said)) == (False, ("claims", "issued-in-future"))


def key_of(folder: Path) -> SigningKey:
    return keystore.load(folder).signer(datetime.now(UTC))


async def test_an_unknown_signer_is_not_trusted(client: httpx.AsyncClient, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    stranger = development.generate(tmp_path / "stranger", now)
    said = await verified(client, hc1.issue(PAYLOAD, stranger, now).text)
    assert (said["valid"], said["trusted"], failure(said)) == (False, False, ("key", "unknown-signer"))


async def test_signers_that_the_settings_trust_are_trusted_but_not_published(
    mongodb_uri: str, database: str, keys: Path, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    foreign = development.generate(tmp_path / "foreign", now)
    async with serving(mongodb_uri, database, keys=keys, trust=tmp_path / "foreign") as client:
        assert (await verified(client, hc1.issue(PAYLOAD, foreign, now).text))["valid"] is True
        published = lists.parse((await client.get("/certificates/trust-list")).content)
        assert published.find(foreign.kid) == ()


BODIES = [
    (b"{}", "application/json", 400),
    (b"[]", "application/json", 400),
    (b'"HC1:"', "application/json", 400),
    (b'{"certificate": 5}', "application/json", 400),
    (b'{"certificate": null}', "application/json", 400),
    (b'{"certificate": ["HC1:"]}', "application/json", 400),
    (b'{"certificate": "HC1:', "application/json", 400),
    (b"", "application/json", 400),
    (b'{"certificate": "HC1:X"}', "text/plain", 415),
    (b"certificate=HC1:X", "application/x-www-form-urlencoded", 415),
    (b'{"certificate": "HC1:' + b"A" * 70_000 + b'"}', "application/json", 413),
    (b"[" * 60_000, "application/json", 400),
]


@pytest.mark.parametrize(("body", "kind", "status"), BODIES, ids=[f"{row[0][:20]!r} {row[1]}" for row in BODIES])
async def test_a_request_to_verify_nothing_is_refused(
    client: httpx.AsyncClient, body: bytes, kind: str, status: int
) -> None:
    answer = await client.post("/certificates/verify", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_without_a_key_nothing_is_signed_and_the_operator_is_told_what_to_do(
    mongodb_uri: str, keys: Path
) -> None:
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, trust=keys) as client:
        id, _ = await vaccinated(client)
        answer = await issue(client, id)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "transient")
        assert "fhir-server keys" in answer.json()["issue"][0]["diagnostics"]
        assert (await client.get("/fhir/DocumentReference?_summary=count")).json()["total"] == 0
        assert (await client.get("/certificates/trust-list")).json() == {"certificates": []}
        certificate = hc1.issue(PAYLOAD, key_of(keys), datetime.now(UTC)).text
        assert (await verified(client, certificate))["valid"] is True
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_the_log_holds_nothing_of_anybody(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "httpx")  # the client's own log, not the server's
    caplog.set_level(logging.DEBUG, "fhir_server")
    caplog.set_level(logging.DEBUG, "signing")
    id, number = await vaccinated(client)
    certificate = await issued(client, id)
    spoilt = certificate["content"][:-3]
    for text in (certificate["content"], spoilt):
        await verified(client, text)
    await client.get(f"/certificates/{certificate['identifier']}/qr.png")
    await client.get(f"/fhir/Patient/$immunization-status?identifier=http://fhir.hl7.org.vn/core/sid/cccd|{number}")
    await client.get(f"/fhir/Patient?name=Bích&identifier={number}&nope={number}")
    await client.post("/fhir/Patient", json={**person("x", number), "birthDate": f"29/02/1988 {number}"})
    await client.post("/fhir/Patient", content=f'{{"resourceType": "Patient", "name": "Đỗ {number}"')
    await client.post("/certificates/verify", content=spoilt)
    assert "Invoke" in caplog.text
    for secret in (number, id, "Bích", "Bich", "BICH", "1988", certificate["identifier"][-20:], spoilt[:40], "HC1"):
        assert secret not in caplog.text, secret
