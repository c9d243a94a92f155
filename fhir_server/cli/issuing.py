"""`certificate issue --all-due`: processes that issue for everybody who is due, beside servers on the same database.

https://hl7.org/fhir/R4/async.html

Stopped or killed, it is simply started again: what is issued stays issued, and nothing is issued twice.
"""

import asyncio
import gc
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fhir_server.cli.configuring import configured
from fhir_server.cli.ending import console, stop
from fhir_server.definitions.package import NotAPackage
from fhir_server.operations import issue_due
from fhir_server.operations.due_people import Job
from fhir_server.outcome import FhirError
from fhir_server.server import Context, start
from fhir_server.settings import Check, Settings
from fhir_server.store import BadAddress, NotReplicaSet, connect
from signing.refusal import Refused

_LANES = 2  # parts of the job that a process works at
_GARBAGE = 100_000  # objects made between two looks for garbage: a page of people has about as many
_MEANINGS = {
    "people": "looked at",
    "no-signer": "no key of the folder signs at this time: keys list tells",
    "dose-unsigned": "their facility has not signed a dose as it is now",
    "dose-in-future": "a dose lies in the future",
    "dose-before-birth": "a dose lies before the person was born",
    "too-many-doses": "more doses than a certificate is made from: look into the record",
}
_ENDINGS = {  # codes that refusals carry, behind the name of the format
    "-no-dose": "no dose that counts",
    "-not-completed": "no dose is completed",
    "-subpotent": "no dose was fully potent",
    "-name": "no name in Latin letters",
    "-birth-date": "no birth date",
    "-product": "the vaccine is no product that the format has a code for",
    "-occurrence": "a dose has no date",
    "-occurrence-precision": "the date of a dose is no day",
    "-dose-number": "the number of a dose is missing or no number",
}
UNABLE = (BadAddress, NotReplicaSet, NotAPackage, Refused, FhirError, OSError)


def all_due(given: dict[str, Any], formats: Sequence[str], target: str | None, processes: int) -> dict[str, int]:
    """Issue whatever is due; return what was counted. Stop when the database or the keys cannot be used."""
    settings = configured(given)
    uri = settings.mongodb_uri
    if uri is None:
        stop("Where are the data? Give --mongodb-uri, or set FHIR_MONGODB_URI.")
    if settings.keys is None:
        stop("Which keys shall sign? Give --keys, or set FHIR_KEYS.")
    try:
        job = asyncio.run(_begin(settings, uri, formats, target))
        begun = time.monotonic()
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=worker, args=(given, uri, job), daemon=True) for _ in range(processes)]
        for each in workers:
            each.start()
        counts = asyncio.run(_watch(settings, uri, job, workers))
    except UNABLE as error:
        stop(str(error))
    seconds = time.monotonic() - begun
    console.print(f"{counts.get('issued', 0)} certificates in {seconds:.1f} s", markup=False)
    for name, count in sorted(counts.items()):
        console.print(f"  {name}: {count}{_meaning(name)}", markup=False, highlight=False)
    if settings.signed_doses is Check.OFF:
        console.print("Doses that no facility has signed were certified too: FHIR_SIGNED_DOSES is off", markup=False)
    if any(each.exitcode for each in workers):
        stop("A process failed; what it did stays done. Start the command again to go on.")
    return counts


def _meaning(name: str) -> str:
    text = _MEANINGS.get(name) or next((text for end, text in _ENDINGS.items() if name.endswith(end)), "")
    return f" ({text})" if text else ""


async def _begin(settings: Settings, uri: str, formats: Sequence[str], target: str | None) -> Job:
    server = await start(settings, uri)
    try:
        return await issue_due.begin(_context(server), formats, target)
    finally:
        await server.close()


async def _watch(settings: Settings, uri: str, job: Job, workers: Sequence[Any]) -> dict[str, int]:
    """Show how far the job is until its processes end; return what was counted."""
    columns = (TextColumn("people"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with await connect(uri, settings.database) as store:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("people", total=None)
            while True:
                alive = any(each.is_alive() for each in workers)
                progress = await store.jobs.progress(job.id)
                assert progress is not None
                bar.update(task, total=progress.total, completed=progress.counts.get("people", 0))
                if not alive:
                    return dict(progress.counts)
                await asyncio.sleep(0.5)


def worker(given: dict[str, Any], uri: str, job: Job) -> None:
    """Work at `job` in a process of its own; secrets come from the environment, as in every process."""
    asyncio.run(_work(Settings(**given), uri, job))


async def _work(settings: Settings, uri: str, job: Job) -> None:
    server = await start(settings, uri)
    gc.collect()
    gc.freeze()  # what every request needs stays: looking through it again and again is a fifth of the time
    gc.set_threshold(_GARBAGE)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))  # two that sign at once would only fight for the interpreter
    try:
        async with asyncio.TaskGroup() as group:  # while the database works for one, the other one signs
            for _ in range(_LANES):
                owner = f"{os.getpid()}-{uuid4()}"
                group.create_task(issue_due.work(_context(server), job, owner, lambda: datetime.now(UTC)))
    finally:
        await server.close()


def _context(server: Any) -> Context:
    return Context(server, datetime.now(UTC), lambda: str(uuid4()), "", open=True)
