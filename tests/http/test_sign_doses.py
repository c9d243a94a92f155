"""Facilities sign doses: whose signature counts, over what, until when; and the report of a day.

https://www.rfc-editor.org/rfc/rfc7515#appendix-F · Official Letter 1908/BYT-CNTT (2022)
"""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pymongo import MongoClient

from tests.http.facilities import Signer, authority, input_of, organization, performed_by, signatures
from tests.http.persons import COVID_19, covid, person, protocol
from tests.http.serving import bundle, entry, serving

Json = dict[str, Any]

ROOT, OTHER = authority(), authority("Another CA", rsa.generate_private_key(65537, 2048))
RSA_KEY = rsa.generate_private_key(65537, 2048)
STRANGER = authority("Nobody's CA")
MINE = "MCSKCB:01001"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
async def client(
    mongodb_uri: str, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    trusted = tmp_path_factory.mktemp("authorities")
    (trusted / "one.pem").write_bytes(ROOT.pem)
    (trusted / "other.pem").write_bytes(OTHER.pem)
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys, facility_trust=trusted, signed_doses="enforce") as client:
        organizations = [organization("f1", "01001"), organization("f2", "01002"), organization("cdc", "01900")]
        done = await client.post(
            "/fhir", json=bundle("batch", *(entry("PUT", f"Organization/{row['id']}", row) for row in organizations))
        )
        assert done.status_code == 200
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def recorded(client: httpx.AsyncClient, facility: str | None = "f1", **changes: Any) -> str:
    """Store somebody with one dose and return the id of both."""
    id = uuid.uuid4().hex
    by = {"performer": performed_by(facility)} if facility else {}
    given = {**covid(id, "2021-08-14", 1), "id": id, **by, **changes}
    stored = await client.post(
        "/fhir",
        json=bundle(
            "transaction",
            entry("PUT", f"Patient/{id}", person(id, f"001188{uuid.uuid4().int % 1_000_000:06}")),
            entry("PUT", f"Immunization/{id}", given),
        ),
    )
    assert stored.status_code == 200, stored.text
    return id


async def keep(client: httpx.AsyncClient, dose: str, jws: str, signer: str | None = None) -> httpx.Response:
    rows: list[Json] = [{"name": "jws", "valueString": jws}]
    if signer:
        rows.append({"name": "signer", "valueReference": {"reference": signer}})
    body = {"resourceType": "Parameters", "parameter": rows}
    return await client.post(f"/fhir/Immunization/{dose}/$sign-dose", json=body)


async def step(client: httpx.AsyncClient, dose: str) -> str:
    return str((await client.get(f"/fhir/Immunization/{dose}/$dose-status")).json()["parameter"][0]["valueCode"])


def rule(answer: httpx.Response) -> str:
    return str(answer.json()["issue"][0]["details"]["coding"][0]["code"])


SIGNERS: dict[str, tuple[Signer, str | None]] = {
    "P-256, ES256": (ROOT.signer(MINE), None),
    "RSA, PS256": (ROOT.signer(MINE, RSA_KEY), None),
    "RSA, RS256": (ROOT.signer(MINE, RSA_KEY), "RS256"),
    "an authority below": (ROOT.below("Sub CA").signer(MINE), None),
    "two below": (ROOT.below("Sub CA").below("Sub sub CA").signer(MINE), None),
    "another authority": (OTHER.signer(MINE), None),
    "the plain code": (ROOT.signer("01001"), None),
}


@pytest.mark.parametrize("case", SIGNERS)
async def test_the_facility_signs_with_the_certificate_it_has(client: httpx.AsyncClient, case: str) -> None:
    dose = await recorded(client)
    signer, algorithm = SIGNERS[case]
    assert (await keep(client, dose, signer.sign(await input_of(client, dose), algorithm))).status_code == 200
    assert await step(client, dose) == "signed"
    assert (await client.post(f"/fhir/Patient/{dose}/$issue-certificate")).status_code == 200


REFUSED: dict[str, tuple[Signer, str]] = {
    "an authority that is not trusted": (STRANGER.signer(MINE), "dose-chain-untrusted"),
    "another facility": (ROOT.signer("MCSKCB:01002"), "dose-signer-mismatch"),
    "no facility": (ROOT.signer("MST:0100109106"), "dose-signer-mismatch"),
    "an expired certificate": (ROOT.signer(MINE, start=NOW - timedelta(days=30), days=10), "dose-chain-expired"),
    "a certificate not valid yet": (ROOT.signer(MINE, start=NOW + timedelta(days=1)), "dose-chain-expired"),
    "a certificate for encryption": (ROOT.signer(MINE, signs=False), "dose-key-usage"),
    "a broken chain": (
        Signer(ROOT.signer(MINE).key, (ROOT.signer(MINE).chain[0], OTHER.below("x").certificate)),
        "dose-bad-signature",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_signature_that_does_not_count_is_refused_and_says_why(client: httpx.AsyncClient, case: str) -> None:
    dose = await recorded(client)
    signer, expected = REFUSED[case]
    answer = await keep(client, dose, signer.sign(await input_of(client, dose)))
    assert (answer.status_code, rule(answer)) == (422, expected)
    assert await step(client, dose) == "entered"


async def test_an_end_entity_issues_no_certificates(client: httpx.AsyncClient) -> None:
    middle = ROOT.signer(MINE)
    forged = authority("x").__class__(middle.key, middle.chain[0], middle.chain).signer(MINE)
    dose = await recorded(client)
    answer = await keep(client, dose, forged.sign(await input_of(client, dose)))
    assert rule(answer) == "dose-not-an-authority"


MALFORMED = ["", "a.b.c", "a..b", "eyJhbGciOiJub25lIn0..", "eyJhbGciOiJIUzI1NiJ9..AA", "x" * 70_000]


@pytest.mark.parametrize("jws", MALFORMED, ids=["empty", "attached", "no JSON", "none", "HMAC", "too long"])
async def test_what_is_no_detached_signature_is_refused(client: httpx.AsyncClient, jws: str) -> None:
    dose = await recorded(client)
    assert (await keep(client, dose, jws)).status_code in {400, 422}
    assert await step(client, dose) == "entered"


async def test_the_bytes_to_sign_are_canonical_and_leave_out_what_is_beside_the_dose(client: httpx.AsyncClient) -> None:
    dose = await recorded(client, note=[{"text": "x"}], doseQuantity={"value": 0.50, "unit": "mL"})
    answer = await client.get(f"/fhir/Immunization/{dose}/$signing-input")
    content = await input_of(client, dose)
    said = json.loads(content)
    assert content == json.dumps(said, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    assert not {"meta", "note", "text"} & set(said)
    assert said["doseQuantity"] == {"value": 0.5, "unit": "mL"}
    assert answer.json()["parameter"][1]["valueString"] == sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"note": [{"text": "x"}]}, "signed"),
        ({"reaction": [{"date": "2021-08-15"}]}, "signed"),
        ({"meta": {"tag": [{"system": "urn:x", "code": "y"}]}}, "signed"),
        ({"lotNumber": "OTHER"}, "entered"),
        ({"occurrenceDateTime": "2021-08-15"}, "entered"),
        ({"status": "entered-in-error"}, "entered"),
        ({"protocolApplied": [protocol(COVID_19, 2, 2)]}, "entered"),
        ({"patient": {"reference": "Patient/another"}}, "entered"),
    ],
    ids=["note", "reaction", "tag", "lot", "day", "error", "number", "patient"],
)
async def test_a_signature_holds_for_what_was_signed_and_nothing_else(
    client: httpx.AsyncClient, change: Json, expected: str
) -> None:
    dose = await recorded(client)
    await keep(client, dose, ROOT.signer(MINE).sign(await input_of(client, dose)))
    current = (await client.get(f"/fhir/Immunization/{dose}")).json()
    assert (await client.put(f"/fhir/Immunization/{dose}", json={**current, **change})).status_code == 200
    assert await step(client, dose) == expected
    # What was signed counts again when it is true again.
    assert (await client.put(f"/fhir/Immunization/{dose}", json=current)).status_code == 200
    assert await step(client, dose) == "signed"


async def test_a_provenance_that_somebody_else_wrote_proves_nothing(client: httpx.AsyncClient) -> None:
    signed, copied = await recorded(client), await recorded(client)
    await keep(client, signed, ROOT.signer(MINE).sign(await input_of(client, signed)))
    found = (await client.get(f"/fhir/Provenance?target=Immunization/{signed}")).json()["entry"][0]["resource"]
    said = json.loads(json.dumps(found).replace(signed, copied))
    digest = sha256(await input_of(client, copied)).hexdigest()
    said["target"][0]["identifier"]["value"] = digest
    said.pop("id")
    assert (await client.post("/fhir/Provenance", json=said)).status_code == 201
    assert await step(client, copied) == "entered"
    refused = await client.post(f"/fhir/Patient/{copied}/$issue-certificate")
    assert (refused.status_code, rule(refused)) == (422, "dose-unsigned")


def affiliation(**changes: Any) -> Json:
    return {
        "resourceType": "OrganizationAffiliation",
        "active": True,
        "organization": {"reference": "Organization/cdc"},
        "participatingOrganization": {"reference": "Organization/f1"},
        "code": [
            {"coding": [{"system": "https://fhir.tiemchung.vn/CodeSystem/organization-role", "code": "dose-signer"}]}
        ],
        **changes,
    }


DELEGATIONS: dict[str, tuple[Json | None, bool]] = {
    "none": (None, False),
    "for this facility": (affiliation(), True),
    "ended": (affiliation(period={"end": "2021-01-01"}), False),
    "not begun": (affiliation(period={"start": "2999-01-01"}), False),
    "suspended": (affiliation(active=False), False),
    "for another facility": (affiliation(participatingOrganization={"reference": "Organization/f2"}), False),
    "for other work": (affiliation(code=[{"text": "supplies"}]), False),
}


@pytest.mark.parametrize("case", DELEGATIONS)
async def test_a_province_may_sign_for_a_facility_that_delegated_it(client: httpx.AsyncClient, case: str) -> None:
    delegation, allowed = DELEGATIONS[case]
    id = uuid.uuid4().hex
    if delegation:
        await client.put(f"/fhir/OrganizationAffiliation/{id}", json={**delegation, "id": id})
    dose = await recorded(client)
    jws = ROOT.signer("MCSKCB:01900").sign(await input_of(client, dose))
    answer = await keep(client, dose, jws, "Organization/cdc")
    assert answer.status_code == (200 if allowed else 422), answer.text
    assert await step(client, dose) == ("signed" if allowed else "entered")
    if delegation:
        await client.delete(f"/fhir/OrganizationAffiliation/{id}")


async def test_a_dose_without_a_facility_can_be_signed_by_nobody(client: httpx.AsyncClient) -> None:
    dose = await recorded(client, facility=None)
    jws = ROOT.signer(MINE).sign(await input_of(client, dose))
    assert rule(await keep(client, dose, jws)) == "dose-facility-unknown"
    assert rule(await keep(client, dose, jws, "Organization/f1")) == "dose-facility-unknown"


async def test_a_day_is_signed_in_one_call_all_or_nothing(client: httpx.AsyncClient) -> None:
    doses = [await recorded(client) for _ in range(5)]
    signer = ROOT.signer(MINE)
    rows = [(dose, signer.sign(await input_of(client, dose))) for dose in doses]
    broken = [*rows[:-1], (doses[-1], rows[0][1])]
    answer = await client.post("/fhir/Immunization/$sign-doses", json=signatures(*broken))
    assert (answer.status_code, rule(answer)) == (422, "dose-bad-signature")
    assert doses[-1] in answer.json()["issue"][0]["diagnostics"]
    assert {await step(client, dose) for dose in doses} == {"entered"}
    answer = await client.post("/fhir/Immunization/$sign-doses", json=signatures(*rows))
    assert (answer.status_code, answer.json()["parameter"]) == (200, [{"name": "signed", "valueInteger": 5}])
    assert {await step(client, dose) for dose in doses} == {"signed"}


def one_signature(signer: Any = None, **dose: Any) -> Json:
    parts = [{"name": "dose", **dose}, {"name": "jws", "valueString": "a..b"}]
    parts += [{"name": "signer", "valueReference": signer}] if signer else []
    return {"resourceType": "Parameters", "parameter": [{"name": "signature", "part": parts}]}


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"resourceType": "Parameters"},
        signatures(("a", "x"), ("a", "x")),
        {"parameter": [{"name": "signature"}]},
        *({"parameter": [{"name": "signature", "part": part}]} for part in (1, "x", [1], [{"name": []}])),
        *(one_signature(valueReference=each) for each in (None, "x", [], {"reference": 1})),
        one_signature(valueReference={"reference": "Immunization/a"}, signer="Organization/f1"),
    ],
    ids=lambda body: json.dumps(body)[:80],
)
async def test_a_batch_that_is_none_is_refused(client: httpx.AsyncClient, body: Json | None) -> None:
    assert (await client.post("/fhir/Immunization/$sign-doses", json=body)).status_code == 400


async def test_a_batch_names_the_doses_that_are_unknown(client: httpx.AsyncClient) -> None:
    answer = await client.post("/fhir/Immunization/$sign-doses", json=signatures(("nowhere", "a..b")))
    assert (answer.status_code, "nowhere" in answer.text) == (422, True)


async def test_the_report_of_a_day_tells_what_was_signed_in_time(client: httpx.AsyncClient) -> None:
    code = f"9{uuid.uuid4().int % 10000:04}"
    facility = f"f{code}"
    await client.put(f"/fhir/Organization/{facility}", json=organization(facility, code))
    now = datetime.now(UTC).isoformat()
    same_day, late, open_ = [
        await recorded(client, facility, occurrenceDateTime=day) for day in (now, "2021-08-14", now)
    ]
    for dose in (same_day, late):
        assert (await keep(client, dose, ROOT.signer(code).sign(await input_of(client, dose)))).status_code == 200
    answer = await client.get(
        "/fhir/Immunization/$signing-report", params={"facility": f"Organization/{facility}", "date": "ge2021-01-01"}
    )
    assert answer.status_code == 200, answer.text
    told = {row["name"]: row.get("valueInteger", row.get("valueReference")) for row in answer.json()["parameter"]}
    assert told == {
        "doses": 3,
        "signedSameDay": 1,
        "signedLater": 1,
        "unsigned": 1,
        "unsignedDose": {"reference": f"Immunization/{open_}"},
    }


@pytest.mark.parametrize(
    "query", ["", "?facility=Organization/f1", "?date=2021"], ids=["nothing", "no date", "no facility"]
)
async def test_a_report_names_facility_and_date(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/fhir/Immunization/$signing-report{query}")).status_code == 400


@pytest.mark.parametrize("method", [None, "magic"])
async def test_a_verification_says_who_and_how(client: httpx.AsyncClient, method: str | None) -> None:
    dose = await recorded(client)
    rows: list[Json] = [{"name": "verifier", "valueReference": {"reference": "Practitioner/1"}}]
    if method:
        rows.append({"name": "method", "valueCode": method})
    body = {"resourceType": "Parameters", "parameter": rows}
    assert (await client.post(f"/fhir/Immunization/{dose}/$verify-dose", json=body)).status_code == 400


async def test_issuing_for_everybody_certifies_signed_doses_only(client: httpx.AsyncClient) -> None:
    signed, unsigned, altered, half = [await recorded(client) for _ in range(4)]
    second = {**covid(half, "2021-09-11", 2), "id": f"{half}-2", "performer": performed_by("f1")}
    assert (await client.put(f"/fhir/Immunization/{half}-2", json=second)).status_code == 201
    signer = ROOT.signer(MINE)
    for dose in (signed, altered, half):
        assert (await keep(client, dose, signer.sign(await input_of(client, dose)))).status_code == 200
    current = (await client.get(f"/fhir/Immunization/{altered}")).json()
    assert (await client.put(f"/fhir/Immunization/{altered}", json={**current, "lotNumber": "X"})).status_code == 200
    begun = await client.post("/fhir/$issue-due-certificates", headers={"prefer": "respond-async"})
    while (told := await client.get(begun.headers["content-location"])).status_code == 202:
        pass
    counts = {row["name"]: row.get("valueInteger") for row in told.json()["parameter"]}
    assert counts["dose-unsigned"] is not None
    assert counts["dose-unsigned"] >= 3
    found = {
        id: len((await client.get(f"/fhir/Patient/{id}/$certificates")).json().get("parameter", ()))
        for id in (signed, unsigned, altered, half)
    }
    assert found == {signed: 1, unsigned: 0, altered: 0, half: 0}
