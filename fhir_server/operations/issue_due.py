"""Issuing for everybody who is due a certificate: a job in parts, resumable, that issues nothing twice.

https://hl7.org/fhir/R4/async.html and Decision 5772/QĐ-BYT (2021)
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from fhir_server import wire
from fhir_server.certificates import attested, due
from fhir_server.certificates.due import Due, Held, Person
from fhir_server.certificates.formats import FORMATS, Issuer
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.search import matches
from fhir_server.interactions.stamp import instant
from fhir_server.operations import signed_doses
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.operations.issue_certificate import issuer_of, registered, withdraw
from fhir_server.outcome import FhirError, NotFound, NotSupported, Unprocessable
from fhir_server.server import Context
from fhir_server.settings import Check
from fhir_server.store import Certificate, Progress, Withdrawal
from signing.refusal import Refused

Json = dict[str, Any]

KIND = "issue-due-certificates"
PAGE = 200  # people at a time
MAX_DOSES = 100  # of one person, on average over a page

log = logging.getLogger("fhir_server.issuing")


@dataclass(frozen=True, slots=True)
class Job:
    """What is issued: formats, and the disease (None: what each format is for)."""

    id: str
    formats: tuple[str, ...]
    target: str | None


async def begin(ctx: Context, formats: Sequence[str], target: str | None) -> Job:
    """Return the job that is under way for these formats and this disease, or a new one; raise NotSupported."""
    unknown = [code for code in formats if code not in FORMATS]
    if unknown or not formats:
        raise NotSupported(
            f"Format '{', '.join(unknown)[:64]}': ask for {', '.join(FORMATS)}",
            f"Định dạng '{', '.join(unknown)[:64]}': hãy chọn trong {', '.join(FORMATS)}",
        )
    wanted = {"formats": list(formats), "target": target}
    running = await ctx.server.store.jobs.running(KIND)
    found = next((each.id for each in running if each.wanted == wanted), None)
    if found is None:
        found = ctx.new_id()
        await ctx.server.store.jobs.begin(found, KIND, wanted, "Patient", ctx.now)
    return Job(found, tuple(formats), target)


async def work(ctx: Context, job: Job, owner: str, clock: Callable[[], datetime]) -> None:
    """Work at `job` until no part of it is free; several processes may do so at the same time."""
    issuer = issuer_of(ctx)
    while part := await ctx.server.store.jobs.take(job.id, owner, clock()):
        going = True
        while going:
            page = await ctx.server.store.jobs.page("Patient", part.after, part.high, PAGE)
            counts = await _page(replace(ctx, now=clock()), job, issuer, page) if page else Counter[str]()
            after = page[-1][0] if page else part.after
            part = replace(part, after=after, counts=Counter(part.counts) + counts)
            ended = len(page) < PAGE
            going = await ctx.server.store.jobs.advance(part, owner, clock(), ended=ended) and not ended


async def _page(ctx: Context, job: Job, issuer: Issuer, page: Sequence[tuple[str, int, bytes]]) -> Counter[str]:
    """Issue what the people of a page are due; return how many people were looked at, and what became of them."""
    names = ",".join(f"Patient/{id}" for id, _, _ in page)
    found = await matches(ctx, "Immunization", [("patient", names)], PAGE * MAX_DOSES)
    versions = {f"Immunization/{each.id}": (each.sequence, each.raw or b"{}") for each in found}
    versions |= {f"Patient/{id}": (sequence, raw) for id, sequence, raw in page}
    held = await ctx.server.store.register.latest([each.id for each in found], job.formats)
    # No figure of a certificate is a decimal, so the fast reader loses nothing.
    given: dict[str, list[Json]] = {}
    for each in found:
        dose = orjson.loads(each.raw or b"{}")
        given.setdefault(dose["patient"].get("reference", ""), []).append(dose)
    known = {key: Held(each.id, each.standing, each.expires) for key, each in held.items()}
    people = [Person(orjson.loads(raw), given.get(f"Patient/{id}", ()), known) for id, _, raw in page]
    counts = Counter({"people": len(page)})
    wishes = await asyncio.to_thread(_wishes, people, job, ctx.now, counts)
    if ctx.server.settings.signed_doses is not Check.OFF:
        wishes = await _signed(ctx, wishes, counts)
    certificates = await asyncio.to_thread(_issued, wishes, job, issuer, ctx.now, counts)
    fresh = await ctx.server.store.register.add(certificates) if certificates else set()
    counts["issued"] += len(fresh)
    await _withdraw_corrected(ctx, [each for each in certificates if each.id in fresh], versions)
    return counts


def _wishes(people: Sequence[Person], job: Job, now: datetime, counts: Counter[str]) -> list[tuple[Person, Due]]:
    wishes = []
    for person in people:
        try:
            wishes += [(person, each) for each in due.due(person, job.formats, job.target, now)]
        except Unprocessable as error:
            counts.update(due.rules(error))
    return wishes


async def _signed(ctx: Context, wishes: Sequence[tuple[Person, Due]], counts: Counter[str]) -> list[tuple[Person, Due]]:
    """Return the wishes whose doses their facilities have signed."""
    doses = {each.immunization["id"]: dict(each.immunization) for _, wish in wishes for each in wish.doses}
    states = await signed_doses.states(ctx, list(doses.values()))
    signed = {id for id, state in zip(doses, states, strict=True) if state.signed}
    found = [row for row in wishes if all(each.immunization["id"] in signed for each in row[1].doses)]
    counts["dose-unsigned"] += len(wishes) - len(found)
    return found


def _issued(
    wishes: Sequence[tuple[Person, Due]], job: Job, issuer: Issuer, now: datetime, counts: Counter[str]
) -> list[Certificate]:
    certificates = []
    for person, wish in wishes:
        try:
            identifier, written = due.issue(wish, person, job.target, issuer, now)
        except Unprocessable as error:
            counts.update(due.rules(error))
            continue
        except Refused as refused:
            counts[refused.code] += 1
            continue
        patient = str(person.patient["id"])
        certificates.append(registered(wish.format, identifier, patient, written, None, wish.replaces))
    return certificates


async def _withdraw_corrected(
    ctx: Context, certificates: Sequence[Certificate], versions: Mapping[str, tuple[int, bytes]]
) -> None:
    """Withdraw those of `certificates` whose records were corrected while they were signed."""
    names = {name for each in certificates for name in each.basis}
    now: dict[str, int] = {}
    for type in ("Patient", "Immunization"):
        ids = [name.partition("/")[2] for name in names if name.startswith(f"{type}/")]
        found = await ctx.server.store.jobs.sequences(type, ids)
        now |= {f"{type}/{id}": sequence for id, sequence in found.items()}
    for name in names:
        if now.get(name) == versions[name][0]:
            continue
        type, _, id = name.partition("/")
        current = await ctx.server.store.read(type, id)
        raw = current.raw if current else None
        if reason := attested.changed(wire.loads(versions[name][1]), wire.loads(raw) if raw else None):
            void = tuple(each.id for each in certificates if name in each.basis)
            await withdraw(ctx, Withdrawal("superseded", reason, ctx.now, ids=void))


async def issue_due(ctx: Context, call: Call) -> Answer:
    """Begin a job, or join the one that is under way, and answer 202 with the address of its status."""
    values = inputs(call, ("format", "targetDisease"), lists=("format",))
    job = await begin(ctx, (text(values, "format") or "hc1").split(","), text(values, "targetDisease"))
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def clock() -> datetime:
        return ctx.now + timedelta(seconds=loop.time() - begun)

    task = loop.create_task(_background(ctx.afterwards(), job, clock))
    ctx.server.tasks.add(task)
    task.add_done_callback(ctx.server.tasks.discard)
    return _accepted(ctx, job.id)


async def _background(ctx: Context, job: Job, clock: Callable[[], datetime]) -> None:
    try:
        await work(ctx, job, ctx.new_id(), clock)
    except FhirError as error:  # of the database, as a rule; who asks for the same job again goes on with it
        log.error("the job %s has stopped: %s", job.id, error)


async def status(ctx: Context, call: Call) -> Answer:
    """Answer 202 and how far a job is, or 200 and what it did; `cancel=true` ends it."""
    values = inputs(call, ("job", "cancel"))
    id = text(values, "job") or ""
    if str(values.get("cancel")).lower() == "true":
        await ctx.server.store.jobs.cancel(id)
    progress = await ctx.server.store.jobs.progress(id)
    if progress is None:
        raise NotFound(f"There is no job {id[:64]}", f"Không có công việc {id[:64]}")
    told = parameters(_rows(progress))
    if progress.state != "running":
        return told
    return replace(told, status=202, headers=(("x-progress", shown(progress)), ("retry-after", "2")))


def shown(progress: Progress) -> str:
    """Return how far a job is, for people."""
    people, issued = progress.counts.get("people", 0), progress.counts.get("issued", 0)
    return f"{people} of about {progress.total} people, {issued} certificates"


def _accepted(ctx: Context, id: str) -> Answer:
    address = f"{ctx.base_url}/$job-status?job={id}"
    told = parameters([{"name": "job", "valueId": id}, {"name": "status", "valueUri": address}])
    return replace(told, status=202, headers=(("content-location", address),))


def _rows(progress: Progress) -> list[Json]:
    rows: list[Json] = [
        {"name": "job", "valueId": progress.id},
        {"name": "state", "valueCode": progress.state},
        {"name": "begun", "valueInstant": instant(progress.begun)},
        {"name": "total", "valueInteger": progress.total},
    ]
    rows += ({"name": name, "valueInteger": count} for name, count in sorted(progress.counts.items()))
    return rows
