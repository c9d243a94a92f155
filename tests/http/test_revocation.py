"""Certificates lose their validity: with the record that they attest, by whatever way it is written, or by decision.

Decision 5772/QĐ-BYT (2021); docs/life-of-a-dose.md
"""

import asyncio
import json
import logging
import uuid
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pymongo import MongoClient

from fhir_server.operations import issue_certificate
from fhir_server.outcome import Conflict
from fhir_server.server import start
from fhir_server.settings import Settings
from fhir_server.store import Put
from fhir_server.web.fhir import context
from signing import keystore
from tests.http.facilities import organization, performed_by
from tests.http.persons import covid, issue, issued, person
from tests.http.serving import bundle, entry, serving

Json = dict[str, Any]
Change = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


async def vaccinated(client: httpx.AsyncClient, **changes: Any) -> str:
    """Store somebody with two doses, `ID-1` and `ID-2`."""
    id = uuid.uuid4().hex
    doses = [{**covid(id, day, number), "id": f"{id}-{number}", **changes} for number, day in _DAYS]
    rows = [entry("PUT", f"Immunization/{dose['id']}", dose) for dose in doses]
    number = f"001188{uuid.uuid4().int % 1_000_000:06}"
    done = await client.post(
        "/fhir", json=bundle("transaction", entry("PUT", f"Patient/{id}", person(id, number)), *rows)
    )
    assert done.status_code == 200, done.text
    return id


_DAYS = ((1, "2021-08-14"), (2, "2021-09-11"))


async def standing(client: httpx.AsyncClient, identifier: str) -> tuple[str, str | None]:
    said = (await client.get(f"/certificates/{identifier}/status")).json()
    return said["status"], said["reason"]


async def revoked(client: httpx.AsyncClient, certificate: Json) -> bool:
    said = (await client.post("/certificates/verify", json={"certificate": certificate["content"]})).json()
    codes = {row["stage"]: row["code"] for row in said["stages"]}
    assert said["valid"] is (codes["revocation"] == "ok"), said
    return bool(codes["revocation"] == "revoked")


async def put_dose(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Immunization/{id}-2")).json()
    return await client.put(f"/fhir/Immunization/{id}-2", json={**current, "lotNumber": "CHANGED"})


async def put_earlier_dose(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Immunization/{id}-1")).json()
    return await client.put(f"/fhir/Immunization/{id}-1", json={**current, "status": "entered-in-error"})


async def patch_dose(client: httpx.AsyncClient, id: str) -> httpx.Response:
    patch = [{"op": "replace", "path": "/lotNumber", "value": "CHANGED"}]
    headers = {"content-type": "application/json-patch+json"}
    return await client.patch(f"/fhir/Immunization/{id}-2", content=json.dumps(patch), headers=headers)


async def delete_dose(client: httpx.AsyncClient, id: str) -> httpx.Response:
    return await client.delete(f"/fhir/Immunization/{id}-2")


async def delete_dose_by_condition(client: httpx.AsyncClient, id: str) -> httpx.Response:
    return await client.delete(f"/fhir/Immunization?_id={id}-2")


async def put_dose_by_condition(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Immunization/{id}-2")).json()
    return await client.put(f"/fhir/Immunization?_id={id}-2", json={**current, "status": "not-done"})


async def in_a_transaction(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Immunization/{id}-2")).json()
    changed = {**current, "occurrenceDateTime": "2021-09-12"}
    return await client.post(
        "/fhir",
        json=bundle(
            "transaction", entry("PUT", f"Immunization/{id}-2", changed), entry("DELETE", f"Immunization/{id}-1")
        ),
    )


async def in_a_batch(client: httpx.AsyncClient, id: str) -> httpx.Response:
    return await client.post("/fhir", json=bundle("batch", entry("DELETE", f"Immunization/{id}-2")))


async def put_name(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Patient/{id}")).json()
    return await client.put(f"/fhir/Patient/{id}", json={**current, "name": [{"family": "Đỗ", "given": ["Bích"]}]})


async def merge_person(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Patient/{id}")).json()
    link = {"other": {"reference": "Patient/x"}, "type": "replaced-by"}
    return await client.put(f"/fhir/Patient/{id}", json={**current, "active": False, "link": [link]})


async def give_the_dose_to_another(client: httpx.AsyncClient, id: str) -> httpx.Response:
    current = (await client.get(f"/fhir/Immunization/{id}-2")).json()
    return await client.put(f"/fhir/Immunization/{id}-2", json={**current, "patient": {"reference": "Patient/x"}})


CHANGES: dict[str, tuple[Change, str]] = {
    "update": (put_dose, "dose-corrected"),
    "update of an earlier dose": (put_earlier_dose, "entered-in-error"),
    "patch": (patch_dose, "dose-corrected"),
    "delete": (delete_dose, "deleted"),
    "conditional delete": (delete_dose_by_condition, "deleted"),
    "conditional update": (put_dose_by_condition, "dose-corrected"),
    "transaction": (in_a_transaction, ""),
    "batch": (in_a_batch, "deleted"),
    "name": (put_name, "person-corrected"),
    "merge": (merge_person, "person-merged"),
    "another person's dose": (give_the_dose_to_another, "dose-corrected"),
}


@pytest.mark.parametrize("case", CHANGES)
async def test_whatever_way_a_record_is_corrected_its_certificate_goes_with_it(
    client: httpx.AsyncClient, case: str
) -> None:
    change, reason = CHANGES[case]
    id = await vaccinated(client)
    certificate = await issued(client, id)
    assert not await revoked(client, certificate)
    answer = await change(client, id)
    assert answer.status_code < 300, answer.text
    assert await revoked(client, certificate)
    status, why = await standing(client, certificate["identifier"])
    assert (status, why) == ("superseded", reason or why)
    assert (await client.get(f"/fhir/{certificate['document']}")).json()["status"] == "superseded"


async def test_a_record_that_was_merged_into_another_one_is_not_certified(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)
    assert (await merge_person(client, id)).status_code == 200
    answer = await issue(client, id, format="hc1")
    assert (answer.status_code, "Patient/x" in answer.json()["issue"][0]["diagnostics"]) == (422, True)


UNTOUCHED: dict[str, Json] = {
    "a telephone number": {"telecom": [{"system": "phone", "value": "0912000111"}]},
    "an address": {"address": [{"text": "12 phố Hoa Sữa"}]},
    "a nickname": {
        "name": [
            {"use": "official", "text": "Đỗ Thị Ngọc Bích", "family": "Đỗ", "given": ["Thị", "Ngọc", "Bích"]},
            {"use": "nickname", "text": "Bi"},
        ]
    },
    "another link": {"link": [{"other": {"reference": "Patient/x"}, "type": "seealso"}]},
}


@pytest.mark.parametrize("case", UNTOUCHED)
async def test_what_no_certificate_says_may_change(client: httpx.AsyncClient, case: str) -> None:
    id = await vaccinated(client)
    certificate = await issued(client, id)
    current = (await client.get(f"/fhir/Patient/{id}")).json()
    assert (await client.put(f"/fhir/Patient/{id}", json={**current, **UNTOUCHED[case]})).status_code == 200
    assert not await revoked(client, certificate)


async def test_a_correction_that_is_refused_withdraws_nothing(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)
    certificate = await issued(client, id)
    current = (await client.get(f"/fhir/Immunization/{id}-2")).json()
    wrong = await client.put(f"/fhir/Immunization/{id}-2", json={**current, "status": "no such status"})
    late = await client.put(
        f"/fhir/Immunization/{id}-2", json={**current, "lotNumber": "X"}, headers={"if-match": 'W/"99"'}
    )
    whole = bundle(
        "transaction",
        entry("DELETE", f"Immunization/{id}-2"),
        entry("POST", "Patient", {"resourceType": "Patient", "gender": "x"}),
    )
    assert (wrong.status_code, late.status_code, (await client.post("/fhir", json=whole)).status_code) == (
        422,
        412,
        422,
    )
    assert not await revoked(client, certificate)


async def revoke(client: httpx.AsyncClient, reason: str | None = "fraud", **chosen: Any) -> httpx.Response:
    rows: list[Json] = [{"name": "reason", "valueCode": reason}] if reason else []
    for name, given in chosen.items():
        kind = "valueReference" if name in {"dose", "facility"} else "valueString"
        rows.append({"name": name, kind: {"reference": given} if kind == "valueReference" else given})
    return await client.post("/fhir/$revoke-certificates", json={"resourceType": "Parameters", "parameter": rows})


def count(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return int(answer.json()["parameter"][0]["valueInteger"])


async def test_one_certificate_is_revoked_and_the_other_is_not(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)
    one, other = await issued(client, id), await issued(client, id)
    assert count(await revoke(client, "issued-in-error", certificate=one["identifier"])) == 1
    assert (await revoked(client, one), await revoked(client, other)) == (True, False)
    assert await standing(client, one["identifier"]) == ("revoked", "issued-in-error")
    assert count(await revoke(client, certificate=one["identifier"])) == 0  # again: nothing changes
    assert await standing(client, one["identifier"]) == ("revoked", "issued-in-error")


async def test_what_was_superseded_may_still_be_revoked_and_not_the_other_way_round(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)
    certificate = await issued(client, id)
    await put_dose(client, id)
    assert count(await revoke(client, dose=f"Immunization/{id}-2")) == 1
    await put_earlier_dose(client, id)
    assert await standing(client, certificate["identifier"]) == ("revoked", "fraud")


async def test_a_case_of_fraud_is_revoked_by_facility_and_period(client: httpx.AsyncClient) -> None:
    facility = f"f-{uuid.uuid4().hex[:8]}"
    await client.put(f"/fhir/Organization/{facility}", json=organization(facility, facility))
    theirs = [await vaccinated(client, performer=performed_by(facility)) for _ in range(3)]
    honest = await vaccinated(client)
    certificates = [await issued(client, id) for id in (*theirs, honest)]
    assert count(await revoke(client, facility=f"Organization/{facility}", date="ge2021-10-01")) == 0
    assert count(await revoke(client, facility=f"Organization/{facility}", date="ge2021-08-01,le2021-12-31")) == 3
    assert [await revoked(client, each) for each in certificates] == [True, True, True, False]


async def test_a_lost_key_takes_all_its_certificates(mongodb_uri: str, keys: Path) -> None:
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys) as client:
        certificates = [await issued(client, await vaccinated(client)) for _ in range(3)]
        kid = keystore.load(keys).keys[0].kid.hex()
        assert count(await revoke(client, "key-compromise", kid="00" * 8)) == 0
        assert count(await revoke(client, "key-compromise", kid=kid)) == 3
        assert all([await revoked(client, each) for each in certificates])
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"reason": None, "certificate": "x"},
        {"reason": "whim", "certificate": "x"},
        {"certificate": "x", "kid": "y"},
        {"facility": "Organization/x"},
        {"date": "2021"},
        {"dose": "Patient/x"},
        {"facility": "Patient/x", "date": "2021"},
        {"facility": "Organization/x,Organization/y", "date": "2021"},
        {"kid": "Y29tcHJvbWk="},
    ],
    ids=[
        *("nothing", "no reason", "another reason", "two ways", "no period", "no facility"),
        *("a person for a dose", "a person for a facility", "two facilities", "a kid in Base64"),
    ],
)
async def test_a_revocation_says_exactly_what_and_why(client: httpx.AsyncClient, chosen: Json) -> None:
    assert (await revoke(client, **chosen)).status_code == 400


async def test_a_misprint_in_an_identifier_is_told_and_revokes_nothing(client: httpx.AsyncClient) -> None:
    certificate = await issued(client, await vaccinated(client))
    answer = await revoke(client, certificate=f"{certificate['identifier']},URN:UVCI:01:VN:0")
    assert (answer.status_code, "URN:UVCI:01:VN:0 " in answer.text) == (422, True)
    assert await standing(client, certificate["identifier"]) == ("valid", None)


async def test_the_holder_is_told_nothing_about_the_person(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)
    certificate = await issued(client, id)
    said = (await client.get(f"/certificates/{certificate['identifier']}/status")).json()
    assert set(said) == {"identifier", "format", "status", "reason", "issued", "expires", "changed", "replacedBy"}
    assert id not in json.dumps(said)
    assert (await client.get("/certificates/URN:UVCI:01:VN:0/status")).status_code == 404


async def test_a_document_of_others_under_an_issued_identifier_changes_nothing(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)
    certificate = await issued(client, id)
    forged = (await client.get(f"/fhir/{certificate['document']}")).json()
    forged["content"][0]["attachment"]["data"] = "SEMxOkZPUkdFRA=="
    assert (await client.put(f"/fhir/{certificate['document']}", json=forged)).status_code == 200
    assert (await client.delete(f"/fhir/{certificate['document']}")).status_code == 204
    said = (await client.post("/certificates/verify", json={"certificate": certificate["content"]})).json()
    assert said["valid"] is True
    picture = await client.get(f"/certificates/{certificate['identifier']}/qr.png")
    read = await client.post("/certificates/verify", content=picture.content, headers={"content-type": "image/png"})
    assert read.json()["content"]["v"][0]["ci"] == certificate["identifier"]
    await put_dose(client, id)  # the document is gone: the correction is stored all the same
    assert await standing(client, certificate["identifier"]) == ("superseded", "dose-corrected")


async def test_a_certificate_that_is_signed_while_its_dose_is_corrected_does_not_count(
    mongodb_uri: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correction is stored between the reading of the dose and the storing of the certificate."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys) as client:
        id = await vaccinated(client)
        server = await start(Settings(database=name, keys=keys), mongodb_uri)
        commit = server.store.commit

        async def after_a_correction(puts: list[Put], **more: Any) -> None:
            if more.get("issued"):
                assert (await put_dose(client, id)).status_code == 200
            await commit(puts, **more)

        monkeypatch.setattr(server.store, "commit", after_a_correction)
        with pytest.raises(Conflict):
            await issue_certificate.issued(context(server, "", {}), id, ["hc1"], None)
        monkeypatch.undo()
        history = (await client.get(f"/fhir/Patient/{id}/$certificates")).json()["parameter"]
        [told] = [{part["name"]: part for part in row["part"]} for row in history]
        assert told["status"]["valueCode"] == "superseded"
        await server.close()
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_corrections_and_issues_at_the_same_time_leave_no_wrong_certificate(client: httpx.AsyncClient) -> None:
    id = await vaccinated(client)

    async def correct(number: int) -> httpx.Response:
        current = (await client.get(f"/fhir/Immunization/{id}-2")).json()
        return await client.put(f"/fhir/Immunization/{id}-2", json={**current, "lotNumber": f"LOT-{number}"})

    answers = await asyncio.gather(*(correct(n) if n % 2 else issue(client, id, format="hc1") for n in range(24)))
    assert {answer.status_code for answer in answers} <= {200, 409, 503}
    last = await correct(99)
    assert last.status_code == 200, last.text
    history = (await client.get(f"/fhir/Patient/{id}/$certificates")).json()["parameter"]
    states = [next(part["valueCode"] for part in row["part"] if part["name"] == "status") for row in history]
    assert set(states) == {"superseded"}


async def test_nothing_private_is_logged_or_answered(
    client: httpx.AsyncClient, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = keystore.load(keys).keys[0].private_key
    assert isinstance(key, EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    secret = {f"{number}", f"{number:x}", b64encode(number.to_bytes(32, "big")).decode()}
    logging.getLogger("pymongo").setLevel(logging.WARNING)  # as `serve` does
    with caplog.at_level(logging.DEBUG):
        id = await vaccinated(client)
        certificate = await issued(client, id)
        refused = await issue(client, "nobody", format="hc1")
        answers = [
            await client.get(path)
            for path in (
                "/certificates/trust-list",
                "/.well-known/jwks.json",
                "/fhir/metadata",
                f"/certificates/{certificate['identifier']}/status",
                f"/fhir/Patient/{id}/$certificates",
            )
        ]
    said = caplog.text + refused.text + "".join(answer.text for answer in answers)
    assert "PRIVATE" not in said
    assert not any(shown in said for shown in secret)
    assert '"d":' not in answers[1].text
    assert "Bích" not in caplog.text
    assert certificate["content"] not in caplog.text
