"""`load`: files of FHIR data into a running server, patiently, and told in the end what was stored and what was not.

https://hl7.org/fhir/R4/http.html#transaction
"""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fhir_server import wire
from fhir_server.cli import findings, sources
from fhir_server.cli.ending import console, stop
from fhir_server.cli.findings import Findings, Place
from fhir_server.cli.progress import Progress as Done
from fhir_server.cli.sources import Unit
from fhir_server.outcome import FhirError, Issue
from fhir_server.settings import Apply

Json = dict[str, Any]

ATTEMPTS = 8  # how often a Bundle is sent while the server is busy or away
LONGEST_PAUSE = 15.0  # seconds between two of them
BUSY = {429, 502, 503, 504}  # of the server, or of a proxy before it

_ENTRY = re.compile(r"Bundle\.entry\[\d+\]")
_RESOURCE = re.compile(_ENTRY.pattern + r"\.resource")


class Away(Exception):
    """The server cannot be reached, or stays busy: nothing more can be sent."""


class Unwilling(Exception):
    """The server does not check as it was asked to."""


def load(
    paths: Annotated[
        list[Path], typer.Argument(help="Bundles or resources (.json), NDJSON, both also .gz, or folders.")
    ],
    url: Annotated[str, typer.Option(help="FHIR base URL of the running server.")] = "http://127.0.0.1:8080/fhir",
    parallel: Annotated[int, typer.Option(help="Requests under way at once.", min=1, max=64)] = 4,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers what is done; give it again to go on where it stopped.")
    ] = None,
    profiles: Annotated[
        Apply | None,
        typer.Option(
            help="How strictly this load is held to the profiles of the server's settings; none: as they say."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File (JSON) for what was stored and how many resources break each rule.")
    ] = None,
) -> None:
    """Load data into a running server, and tell what was stored and how many break each rule.

    Resources with an id are stored under it (loading twice changes nothing); others get new ids.
    A transaction Bundle is stored whole or not at all. Waits while the server is busy. Stopped with Ctrl-C it ends
    when what is under way is answered; with --state the same command goes on from there.

    With --profiles warn what breaks the profiles is stored and counted. A server whose setting is stricter has to allow
    that (FHIR_PROFILES_AT_LEAST=warn), and any server where resources declare their profiles themselves.

    Status 0: all is stored; 1: something failed, or it was stopped; 2: the command makes no sense as it is.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        stop(f"No such file or folder: {', '.join(map(str, missing))}")
    if report is not None and sources.is_data(report):
        stop(f"{report} holds FHIR data, which the report would destroy: name another file")
    try:
        if httpx.URL(url).scheme not in {"http", "https"}:
            stop(f"{url} is no address of a server, such as http://127.0.0.1:8080/fhir")
        done = Done(state)
    except httpx.InvalidURL as error:
        stop(f"{url} is no address of a server: {error}")
    except (OSError, ValueError) as error:
        stop(f"{state} is no file that remembers a load: {error}")
    found = Report()
    _write(found, report)  # so that a file that cannot be written is noticed now
    try:
        asyncio.run(_load(sources.files(paths, report), _Server(url.rstrip("/"), profiles), parallel, done, found))
    except Unwilling as error:
        stop(str(error))
    _tell(found, resumable=state is not None)
    _write(found, report)
    raise typer.Exit(1 if found.failed or found.stopped else 0)


class Report:
    """What a load did."""

    def __init__(self) -> None:
        self.stored = 0
        self.failed = 0
        self.findings = Findings()
        self.reasons: Counter[str] = Counter()  # why resources failed that break no rule
        self.stopped: str | None = None  # why it ended before its end

    def fail(self, reason: str, count: int = 1) -> None:
        """Count what was not stored."""
        self.failed += count
        self.reasons[reason] += count

    def stop(self, reason: str) -> None:
        """Take no more units; the first reason is the one that is told."""
        self.stopped = self.stopped or reason


def _write(report: Report, path: Path | None) -> None:
    if path is None:
        return
    facts = {"stored": report.stored, "failed": report.failed, "stopped": report.stopped}
    try:
        findings.report(path, {**facts, "otherReasons": report.reasons}, report.findings)
    except OSError as error:
        stop(f"The report cannot be written: {error}")


class _Server:
    """Where a load goes, and what is asked of it with every request."""

    def __init__(self, url: str, profiles: Apply | None):
        self.url = url
        self.profiles = profiles
        wishes = ("return=OperationOutcome", f"profiles={profiles}" if profiles else "")
        self.headers = {
            "content-type": "application/fhir+json",
            "accept-language": "en",
            "prefer": ", ".join(filter(None, wishes)),
        }

    async def require_willing(self, client: httpx.AsyncClient, report: Report) -> None:
        """Raise Unwilling when the server does not let this load be checked as it shall be, Away when it is."""

        async def ask() -> httpx.Response | None:
            answer = await client.head(f"{self.url}/metadata", headers=self.headers)
            if answer.status_code in BUSY:
                return answer
            applied = answer.headers.get("preference-applied", "")
            if answer.status_code == 200 and f"profiles={self.profiles}" not in applied:
                raise Unwilling(
                    f"The server does not check with --profiles {self.profiles}, its own setting is stricter: start it "
                    f"with FHIR_PROFILES_AT_LEAST={self.profiles}, or leave the option out"
                )
            return None

        if self.profiles is not None:
            await _patiently(self.url, ask, report)


async def _load(files: list[Path], server: _Server, parallel: int, done: Done, report: Report) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, report.stop, "interrupted")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with httpx.AsyncClient(timeout=120) as client:
        try:
            await server.require_willing(client, report)
        except Away as error:
            report.stop(str(error))
            return
        with Progress(*columns, console=console) as bar:
            for file in files:
                task = bar.add_task(file.name, total=None)
                queue = sources.units(file, done.done(file))
                # Files go one after the other: what a file refers to may be in the one before it.
                await asyncio.gather(
                    *(_send_all(client, server, queue, report, done, bar, task) for _ in range(parallel))
                )
                bar.update(task, total=bar.tasks[task].completed)
                if report.stopped:
                    return


async def _send_all(
    client: httpx.AsyncClient,
    server: _Server,
    queue: Iterator[Unit],
    report: Report,
    done: Done,
    bar: Progress,
    task: Any,
) -> None:
    """Send units until none is left or the load is stopped; several of these share one queue."""
    while not report.stopped:
        try:
            unit = next(queue)
        except StopIteration:
            return
        except sources.Unreadable as error:
            report.fail(str(error))
            return
        for line, problem in unit.unreadable:
            report.failed += 1
            report.findings.add(Place(str(unit.file), line), None, problem.issues)
        try:
            if unit.bundle.get("entry"):
                await _send(client, server, unit, report)
        except Away as error:
            report.stop(str(error))  # the unit is not done: whoever goes on begins with it
            return
        done.finish(unit.file, unit.number)
        bar.advance(task, len(unit.lines) + len(unit.unreadable))


async def _send(client: httpx.AsyncClient, server: _Server, unit: Unit, report: Report) -> None:
    """Post the Bundle of one unit, patiently, and count what came of it; raise Away when nobody takes it."""
    rows = list(range(len(unit.lines)))  # the entries that are still to be sent

    async def post() -> httpx.Response | None:
        nonlocal rows
        entries = [unit.bundle["entry"][row] for row in rows]
        content = wire.dumps({**unit.bundle, "entry": entries} if rows else unit.bundle)
        answer = await client.post(server.url, content=content, headers=server.headers)
        if answer.status_code in BUSY:
            return answer
        rows = _count(unit, rows, answer, report)
        return answer if rows else None

    await _patiently(server.url, post, report)


async def _patiently(url: str, turn: Callable[[], Awaitable[httpx.Response | None]], report: Report) -> None:
    """Take turns until one returns nothing; each may return the answer of a busy server. Raise Away after many."""
    reason = ""
    for attempt in range(ATTEMPTS):
        wait = 2.0**attempt / 4
        try:
            answer = await turn()
        except httpx.TransportError as error:
            reason = f"no connection to {url} ({type(error).__name__})"
        else:
            if answer is None:
                return
            reason, wait = "the server is busy", _retry_after(answer, wait)
        if report.stopped:
            break
        await asyncio.sleep(min(wait, LONGEST_PAUSE))
    raise Away(reason)


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else otherwise


def _count(unit: Unit, rows: list[int], answer: httpx.Response, report: Report) -> list[int]:
    """Count the entries by what came of them; return those that the server was too busy for."""
    count = len(rows) or 1
    try:
        said = wire.loads(answer.content)
        if answer.status_code != 200:
            if issues := findings.issues_of(said):
                report.failed += count
                _found(unit, None, issues, report)
                return []
            raise ValueError("no OperationOutcome")
        responses = [dict(row["response"]) for row in said["entry"]]
        told = list(zip(rows, responses, strict=True))
    except (FhirError, KeyError, TypeError, ValueError):
        report.fail(f"the answer ({answer.status_code}) is not that of a FHIR server: is the --url right?", count)
        return []
    waiting = []
    for row, response in told:
        status = str(response.get("status"))
        if status.startswith("503"):
            waiting.append(row)
            continue
        stored = status.startswith("2")
        report.stored += stored
        report.failed += not stored
        issues = findings.issues_of(response.get("outcome"))
        if issues:
            _found(unit, row, issues, report)
        elif not stored:
            report.reasons[f"the answer {status}, which does not say why"] += 1
    return waiting


def _found(unit: Unit, row: int | None, issues: tuple[Issue, ...], report: Report) -> None:
    """Count what was found in an entry of a unit, or in all of it."""
    place = Place(str(unit.file), unit.lines[row or 0] if unit.lines else 0)
    if row is None:
        report.findings.add(place, unit.bundle, issues)
        return
    resource = unit.bundle["entry"][row].get("resource")
    # Of a Bundle that its file does not know nothing is told; one that was sent in parts has its own numbers.
    old, here = (_RESOURCE, findings.type_of(resource)) if unit.gathered else (_ENTRY, f"Bundle.entry[{row}]")
    moved = (
        issue._replace(expression=old.sub(here, issue.expression, count=1) if issue.expression else None)
        for issue in issues
    )
    report.findings.add(place, resource if unit.gathered else unit.bundle, moved)


def _tell(report: Report, *, resumable: bool) -> None:
    console.print(f"{report.stored} stored, {report.failed} failed")
    report.findings.print(console)
    for reason, count in report.reasons.most_common(20):
        console.print(f"{count:>9}  {reason}", markup=False, highlight=False)
    if len(report.reasons) > 20:
        console.print(f"           and {len(report.reasons) - 20} other reasons")
    if report.stopped:
        how = "the same command goes on from here" if resumable else "with --state FILE it could go on from here"
        console.print(f"Stopped: {report.stopped}; {how}", style="red", markup=False, highlight=False)
