"""https://spec.smarthealth.cards/#determining-keys-associated-with-an-issuer — what verifiers fetch and send"""

import json
import uuid
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from fhir_server.operations import certificates
from fhir_server.web import certificates as pages
from fhir_server.web.rates import Buckets
from signing import did, hc1, jwk, keystore, lists, offline, qr, shc
from signing.keys import SigningKey
from signing.revocation import parse
from signing.verify import verify
from tests.http.serving import serving
from tests.http.test_certificates import PAYLOAD
from tests.signing.test_rules import row

PUBLISHED = [
    "/.well-known/jwks.json",
    "/.well-known/did.json",
    "/certificates/offline-bundle",
    "/certificates/trust-list",
    "/trustList",
]
ORIGIN = "https://localhost"
DOSE = {"fullUrl": "resource:0", "resource": {"resourceType": "Immunization", "status": "completed"}}
BUNDLE = {"resourceType": "Bundle", "type": "collection", "entry": [DOSE]}


@pytest.fixture(scope="module")
def key(keys: Path) -> SigningKey:
    return keystore.load(keys).signer(datetime.now(UTC))


@pytest.mark.parametrize("address", PUBLISHED)
async def test_what_is_published_is_kept_by_caches_and_read_by_any_page(
    client: httpx.AsyncClient, address: str
) -> None:
    first = await client.get(address)
    assert (first.status_code, first.headers["access-control-allow-origin"]) == (200, "*")
    assert first.headers["cache-control"].startswith("public, max-age=")
    again = await client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert b"PRIVATE" not in first.content
    assert b'"d"' not in first.content


async def test_cards_verify_with_the_published_keys(client: httpx.AsyncClient, key: SigningKey) -> None:
    published = (await client.get("/.well-known/jwks.json")).content
    card = shc.issue(BUNDLE, key, datetime.now(UTC), ORIGIN)
    trust = lists.parse(published, origin=ORIGIN)
    assert verify(card.qr, trust, datetime.now(UTC)).valid
    [listed] = json.loads(published)["keys"]
    assert listed["kid"] == jwk.thumbprint(key.signer.public_key)
    revocations = await client.get(f"/.well-known/crl/{listed['kid']}.json")
    assert parse(revocations.content).cards[listed["kid"]].counter == listed["crlVersion"]
    assert (await client.get("/.well-known/crl/nobody.json")).status_code == 404


async def test_the_document_of_the_network_proves_itself(client: httpx.AsyncClient, key: SigningKey) -> None:
    document = (await client.get("/.well-known/did.json")).json()
    assert document["id"] == "did:web:localhost"
    assert [signer.kid for signer in did.read(document, [did.Pin(key.signer.public_key)]).signers] == [key.kid]


async def test_the_offline_bundle_verifies_without_the_server(client: httpx.AsyncClient, key: SigningKey) -> None:
    bundle = offline.read((await client.get("/certificates/offline-bundle")).text, [did.Pin(key.signer.public_key)])
    now = datetime.now(UTC)
    assert bundle.issued <= now < bundle.next_update
    text = hc1.issue(PAYLOAD, key, now).text
    assert verify(text, bundle.trust, now, revoked=bundle.revoked).valid
    card = shc.issue(BUNDLE, key, now, ORIGIN).jws
    assert verify(card, bundle.trust, now, revoked=bundle.revoked).valid
    elsewhere = shc.issue(BUNDLE, key, now, "https://elsewhere.example").jws
    failure = verify(elsewhere, bundle.trust, now).failure
    assert failure is not None
    assert failure.code == "wrong-origin"


def pdf(*texts: str) -> bytes:
    page = Image.new("L", (1240, 1754), 255)
    for number, text in enumerate(texts):
        code = Image.open(BytesIO(qr.png(text))).convert("L").resize((560, 560))
        page.paste(code, (40 + number % 2 * 600, 40 + number // 2 * 600))
    out = BytesIO()
    page.save(out, "PDF", resolution=150)
    return out.getvalue()


async def test_pictures_pdf_and_card_files_are_verified(client: httpx.AsyncClient, key: SigningKey) -> None:
    now = datetime.now(UTC)
    dcc, card = hc1.issue(PAYLOAD, key, now).text, shc.issue(BUNDLE, key, now, ORIGIN)
    sent = {
        "image/png": qr.png(dcc),
        "application/pdf": pdf(dcc),
        "application/smart-health-card": shc.file([card.jws]).encode(),
    }
    for kind, content in sent.items():
        answer = await client.post("/certificates/verify", content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["valid"]) == (200, True), kind
    both = await client.post(
        "/certificates/verify", content=pdf(dcc, dcc[:-9] + "ABCDEFGHI"), headers={"Content-Type": "application/pdf"}
    )
    assert (both.json()["valid"], [each["valid"] for each in both.json()["certificates"]]) == (False, [True, False])


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("image/png", b"\x89PNG no picture", 422),
        ("image/jpeg", b"\xff\xd8\xff", 422),
        ("application/pdf", b"%PDF-1.7 broken", 422),
        ("image/png", bytes(9 * 1024 * 1024), 413),
        ("application/json", b'{"certificate": 5}', 400),
        ("application/zip", b"PK", 415),
    ],
    ids=["no picture", "no JPEG", "no PDF", "9 MiB", "a number", "another type"],
)
async def test_what_cannot_be_read_is_told(client: httpx.AsyncClient, kind: str, content: bytes, status: int) -> None:
    answer = await client.post("/certificates/verify", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


async def test_who_asks_too_often_is_told_when_to_come_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.post("/certificates/verify", json={"certificate": "HC1:"})
    for application in list(pages._buckets):
        monkeypatch.setitem(pages._buckets, application, Buckets(6, lambda: 0.0))
    statuses = [
        await client.post("/certificates/verify", json={"certificate": "HC1:"}, headers={"Accept-Language": "vi"})
        for _ in range(7)
    ]
    assert [answer.status_code for answer in statuses] == [200] * 6 + [429]
    assert statuses[-1].headers["retry-after"] == "10"
    assert statuses[-1].json()["issue"][0]["code"] == "throttled"


async def test_too_many_files_at_once_are_asked_to_come_back(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates._waiting, "count", certificates.MOST_WAITING)
    answer = await client.post("/certificates/verify", content=b"%PDF-", headers={"Content-Type": "application/pdf"})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_rules_of_the_country_are_applied_and_travel_with_the_bundle(
    mongodb_uri: str, keys: Path, key: SigningKey, tmp_path: Path
) -> None:
    complete = row("VR-VN-0001", {">=": [{"var": "payload.v.0.dn"}, {"var": "payload.v.0.sd"}]})
    (tmp_path / "rules.json").write_text(json.dumps([complete]))
    async with serving(mongodb_uri, f"rules_{uuid.uuid4().hex[:12]}", keys=keys, rules=tmp_path) as client:
        for doses, code in ((1, "rule-failed"), (2, "ok")):
            vaccinated = {**PAYLOAD, "v": [{**PAYLOAD["v"][0], "dn": doses, "sd": 2}]}
            text = hc1.issue(vaccinated, key, datetime.now(UTC)).text
            said = (await client.post("/certificates/verify", json={"certificate": text})).json()
            assert (said["valid"], said["stages"][-1]["code"]) == (code == "ok", code)
        answer = await client.get("/certificates/offline-bundle")
        bundle = offline.read(answer.text, [did.Pin(key.signer.public_key)])
        assert [rule.identifier for rule in bundle.rulebook.rules] == ["VR-VN-0001"]
