"""Issuing for everybody who is due: once each, renewed in time, resumed after a crash, cancelled when told.

https://hl7.org/fhir/R4/async.html
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.operations import issue_due
from fhir_server.server import Context, Server, start
from fhir_server.settings import Settings
from fhir_server.web.fhir import context
from signing import reading
from tests.http.persons import covid, issued, person, recorded
from tests.http.serving import serving

Json = dict[str, Any]


@pytest.fixture
async def client(mongodb_uri: str, database: str, keys: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with an empty database."""
    async with serving(mongodb_uri, database, keys=keys) as client:
        yield client


@pytest.fixture
async def other(mongodb_uri: str, database: str, keys: Path) -> AsyncIterator[Server]:
    """Another process on the same database."""
    other = await start(Settings(database=database, keys=keys), mongodb_uri)
    yield other
    await other.close()


async def people(client: httpx.AsyncClient, count: int) -> list[str]:
    ids = [f"p{number:03d}" for number in range(count)]
    for id in ids:
        await recorded(
            client, person(id, f"001188{id[1:]:0>6}"), covid(id, "2021-08-14", 1), covid(id, "2021-09-11", 2)
        )
    return ids


async def finished(client: httpx.AsyncClient, **codes: str) -> Json:
    """Begin a job and return what it did, by name."""
    begun = await client.post("/fhir/$issue-due-certificates", headers={"prefer": "respond-async"}, json=body(**codes))
    assert begun.status_code == 202, begun.text
    for _ in range(600):
        answer = await client.get(begun.headers["content-location"])
        if answer.status_code == 200:
            return told(answer)
        assert (answer.status_code, "people" in answer.headers["x-progress"]) == (202, True)
        await asyncio.sleep(0.05)
    raise AssertionError("the job does not end")


def body(**codes: str) -> Json:
    rows = [{"name": name, "valueCode": code} for name, code in codes.items()]
    return {"resourceType": "Parameters", "parameter": rows}


def told(answer: httpx.Response) -> Json:
    return {row["name"]: next(row[key] for key in row if key != "name") for row in answer.json()["parameter"]}


def parts(answer: httpx.Response) -> list[Json]:
    rows = answer.json().get("parameter", [])
    return [{part["name"]: next(part[key] for key in part if key != "name") for part in row["part"]} for row in rows]


async def test_everybody_who_is_due_gets_one_certificate_and_only_one(client: httpx.AsyncClient) -> None:
    ids = await people(client, 7)
    await recorded(client, person("nobody", "001188999999"))
    await issued(client, ids[0])  # has one already
    done = await finished(client)
    assert (done["state"], done["people"], done["issued"], done["dcc-no-dose"]) == ("done", 8, 6, 1)
    assert (await finished(client)).get("issued", 0) == 0
    for id in ids:
        [certificate] = parts(await client.get(f"/fhir/Patient/{id}/$certificates"))
        assert certificate["status"] == "valid"
        picture = await client.get(f"/certificates/{certificate['identifier']}/qr.svg")
        assert picture.status_code == 200


async def test_people_are_taken_page_by_page(
    client: httpx.AsyncClient, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue_due, "PAGE", 2)
    ids = await people(client, 7)
    ctx = context(other, "", {})
    job = await issue_due.begin(ctx, ("hc1",), None)
    await issue_due.work(ctx, job, "a", lambda: ctx.now)
    progress = await other.store.jobs.progress(job.id)
    assert progress is not None
    assert (progress.state, progress.counts["people"], progress.counts["issued"]) == ("done", 7, 7)
    for id in ids:
        [certificate] = parts(await client.get(f"/fhir/Patient/{id}/$certificates"))
        said = await client.post("/certificates/verify", json={"certificate": await text_of(client, certificate)})
        assert (said.json()["valid"], said.json()["content"]["v"][0]["ci"]) == (True, certificate["identifier"])
        assert said.json()["content"]["v"][0]["dn"] == 2


async def text_of(client: httpx.AsyncClient, certificate: Json) -> str:
    """Return the text of a certificate, read from its picture."""
    picture = await client.get(f"/certificates/{certificate['identifier']}/qr.png")
    [text] = reading.certificates(picture.content)
    return text


async def test_of_several_formats_each_is_issued_to_whom_it_is_for(client: httpx.AsyncClient) -> None:
    [id] = await people(client, 1)
    done = await finished(client, format="shc,icvp,hc1,vds-nc")
    assert (done["people"], done["issued"], done["icvp-no-dose"]) == (1, 3, 1)
    found = parts(await client.get(f"/fhir/Patient/{id}/$certificates"))
    assert sorted(row["format"] for row in found) == ["hc1", "shc", "vds-nc"]


async def test_a_certificate_whose_dose_is_corrected_while_it_is_signed_is_withdrawn(
    client: httpx.AsyncClient, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correction is stored between the reading of the dose and the storing of the certificate."""
    corrected, untouched = await people(client, 2)
    add = other.store.register.add

    async def after_a_correction(certificates: Any) -> set[str]:
        rows = (await client.get(f"/fhir/Immunization?patient={corrected}&date=2021-09-11")).json()["entry"]
        changed = {**rows[0]["resource"], "lotNumber": "ANOTHER"}
        assert (await client.put(f"/fhir/Immunization/{changed['id']}", json=changed)).status_code == 200
        return await add(certificates)

    monkeypatch.setattr(other.store.register, "add", after_a_correction)
    ctx = context(other, "", {})
    await issue_due.work(ctx, await issue_due.begin(ctx, ("hc1",), None), "a", lambda: ctx.now)
    states = [
        [(row["status"], row.get("reason")) for row in parts(await client.get(f"/fhir/Patient/{id}/$certificates"))]
        for id in (corrected, untouched)
    ]
    assert states == [[("superseded", "dose-corrected")], [("valid", None)]]


async def test_two_processes_at_once_issue_nothing_twice(client: httpx.AsyncClient, other: Server) -> None:
    ids = await people(client, 12)
    ctx = context(other, "", {})
    jobs = [await issue_due.begin(ctx, ("hc1",), None) for _ in range(2)]
    assert jobs[0] == jobs[1]
    await asyncio.gather(*(issue_due.work(ctx, jobs[0], owner, lambda: ctx.now) for owner in "abc"))
    assert all([len(parts(await client.get(f"/fhir/Patient/{id}/$certificates"))) == 1 for id in ids])


async def test_a_part_whose_worker_died_is_done_again_from_where_it_was(
    client: httpx.AsyncClient, other: Server
) -> None:
    ids = await people(client, 3)
    ctx = context(other, "", {})
    job = await issue_due.begin(ctx, ("hc1",), None)
    while await other.store.jobs.take(job.id, "dead", ctx.now):
        pass
    await issue_due.work(ctx, job, "too early", lambda: ctx.now)
    assert (await other.store.jobs.progress(job.id)).state == "running"  # type: ignore[union-attr]
    await issue_due.work(ctx, job, "later", lambda: ctx.now + timedelta(minutes=2))
    progress = await other.store.jobs.progress(job.id)
    assert progress is not None
    assert (progress.state, progress.counts["issued"]) == ("done", len(ids))


@pytest.mark.parametrize(
    ("lasting", "later", "state"),
    [(True, 2, "done"), (True, 0, "running"), (False, 2, "running")],
    ids=["left", "somebody is at it", "begun at the command line"],
)
async def test_a_server_goes_on_with_a_job_that_a_dead_one_left(
    client: httpx.AsyncClient, other: Server, lasting: bool, later: int, state: str
) -> None:
    ids = await people(client, 3)
    ctx = context(other, "", {})
    job = await issue_due.begin(ctx, ("hc1",), None, lasting=lasting)
    assert await other.store.jobs.take(job.id, "dead", ctx.now)
    follows = asyncio.create_task(issue_due.follow(lambda: replace(ctx, now=ctx.now + timedelta(minutes=later))))
    for _ in range(600 if state == "done" else 20):
        await asyncio.sleep(0.05)
        if not await other.store.jobs.running(issue_due.KIND):
            break
    follows.cancel()
    progress = await other.store.jobs.progress(job.id)
    assert progress is not None
    assert (progress.state, progress.counts.get("issued", 0)) == (state, len(ids) if state == "done" else 0)


async def test_a_cancelled_job_stops(client: httpx.AsyncClient, other: Server) -> None:
    await people(client, 2)
    ctx = context(other, "", {})
    job = await issue_due.begin(ctx, ("hc1",), None)
    answer = await client.post("/fhir/$job-status", params={"job": job.id, "cancel": "true"})
    assert told(answer)["state"] == "cancelled"
    await issue_due.work(ctx, job, "a", lambda: ctx.now)
    assert told(await client.get("/fhir/$job-status", params={"job": job.id})).get("issued", 0) == 0


@pytest.mark.parametrize(("days", "renewed"), [(300, 0), (340, 1)], ids=["long before its end", "in its last month"])
async def test_a_certificate_is_renewed_before_it_ends(
    client: httpx.AsyncClient, other: Server, days: int, renewed: int
) -> None:
    [id] = await people(client, 1)
    first = await issued(client, id)
    later: Context = replace(context(other, "", {}), now=datetime.now(UTC) + timedelta(days=days))
    await issue_due.work(later, await issue_due.begin(later, ("hc1",), None), "a", lambda: later.now)
    found = parts(await client.get(f"/fhir/Patient/{id}/$certificates"))
    assert len(found) == 1 + renewed
    if renewed:
        assert found[0]["replaces"] == first["identifier"]
        assert found[1]["status"] == "valid"  # the old one is as true as before, until it ends


async def test_a_key_that_ends_soon_itself_renews_nothing(client: httpx.AsyncClient, other: Server) -> None:
    [id] = await people(client, 1)
    end = other.signers.keys[0].signer.not_after
    for days in (20, 19, 1):  # every night, until another key is there
        night: Context = replace(context(other, "", {}), now=end - timedelta(days=days))
        await issue_due.work(night, await issue_due.begin(night, ("hc1", "shc"), None), "a", lambda now=night.now: now)
        found = parts(await client.get(f"/fhir/Patient/{id}/$certificates"))
        assert [row["format"] for row in sorted(found, key=lambda row: row["format"])] == ["hc1", "shc"]


async def test_what_was_revoked_is_not_issued_again_by_itself_but_what_was_corrected_is(
    client: httpx.AsyncClient,
) -> None:
    revoked, corrected = await people(client, 2)
    await finished(client)
    [certificate] = parts(await client.get(f"/fhir/Patient/{revoked}/$certificates"))
    answer = await client.post(
        "/fhir/$revoke-certificates", json=body(certificate=certificate["identifier"], reason="fraud")
    )
    assert told(answer) == {"revoked": 1}
    new = person(corrected, "001188000777", birthDate="1988-03-01")
    assert (await client.put(f"/fhir/Patient/{corrected}", json=new)).status_code == 200
    assert (await finished(client))["issued"] == 1
    assert [row["status"] for row in parts(await client.get(f"/fhir/Patient/{revoked}/$certificates"))] == ["revoked"]
    again, before = parts(await client.get(f"/fhir/Patient/{corrected}/$certificates"))
    assert (again["status"], before["status"], before["reason"]) == ("valid", "superseded", "person-corrected")
    assert again["replaces"] == before["identifier"]


async def test_the_status_of_an_unknown_job_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fhir/$job-status?job=x")).status_code == 404


async def test_an_unknown_format_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/fhir/$issue-due-certificates", json=body(format="paper"))).status_code == 400
