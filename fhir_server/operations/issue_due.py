"""Issuing for everybody who is due a certificate: a job in parts, resumable, that issues nothing twice.

https://hl7.org/fhir/R4/async.html and Decision 5772/QĐ-BYT (2021)
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fhir_server.certificates.formats import FORMATS
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.operations import due_people
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.operations.due_people import Job
from fhir_server.operations.issue_certificate import issuer_of
from fhir_server.outcome import FhirError, NotFound, NotSupported, Unavailable
from fhir_server.server import Context
from fhir_server.store import Progress

Json = dict[str, Any]

KIND = "issue-due-certificates"
PAGE = 500  # people at a time
LOOK = 30  # seconds between two looks for jobs whose process has died

log = logging.getLogger("fhir_server.issuing")


async def begin(ctx: Context, formats: Sequence[str], target: str | None, *, lasting: bool = False) -> Job:
    """Return the job that is under way for these formats and this disease, or a new one; raise NotSupported.

    With a new one that is `lasting` servers go on when the process that works at it dies.
    """
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
        await ctx.server.store.jobs.begin(found, KIND, wanted, "Patient", ctx.now, lasting=lasting)
    return Job(found, tuple(formats), target)


async def work(ctx: Context, job: Job, owner: str, clock: Callable[[], datetime]) -> None:
    """Work at `job` until no part of it is free; several processes may do so at the same time."""
    issuer = issuer_of(ctx)
    while part := await ctx.server.store.jobs.take(job.id, owner, clock()):
        going = True
        while going:
            page = await ctx.server.store.jobs.page("Patient", part.after, part.high, PAGE)
            counts = await due_people.issue(replace(ctx, now=clock()), job, issuer, page) if page else Counter[str]()
            after = page[-1][0] if page else part.after
            part = replace(part, after=after, counts=Counter(part.counts) + counts)
            ended = len(page) < PAGE
            going = await ctx.server.store.jobs.advance(part, owner, clock(), ended=ended) and not ended


async def issue_due(ctx: Context, call: Call) -> Answer:
    """Begin a job, or join the one that is under way, and answer 202 with the address of its status."""
    values = inputs(call, ("format", "targetDisease"), lists=("format",))
    formats = (text(values, "format") or "hc1").split(",")
    job = await begin(ctx, formats, text(values, "targetDisease"), lasting=True)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def clock() -> datetime:
        return ctx.now + timedelta(seconds=loop.time() - begun)

    ctx.server.background.begin(_background(ctx.afterwards(), job, clock))
    return _accepted(ctx, job.id)


async def follow(context: Callable[[], Context]) -> None:
    """Go on with jobs that were begun over HTTP and whose process has died, until cancelled."""
    while True:
        try:
            await _take_up(context)
        except Unavailable:
            pass  # told elsewhere
        except Exception:  # the next look is worth it: a key may be there by then
            log.exception("a job that another process left cannot go on here")
        await asyncio.sleep(LOOK)


async def _take_up(context: Callable[[], Context]) -> None:
    ctx = context()
    for id, wanted in await ctx.server.store.jobs.abandoned(KIND, ctx.now):
        log.info("the job %s goes on", id)
        await work(ctx, Job(id, tuple(wanted["formats"]), wanted["target"]), ctx.new_id(), lambda: context().now)


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
