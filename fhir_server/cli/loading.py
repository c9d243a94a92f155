"""`load`: files of FHIR data into a running server, patiently, and told in the end what was stored and what was not.

https://hl7.org/fhir/R4/http.html#transaction
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fhir_server import wire
from fhir_server.cli import sources
from fhir_server.cli.ending import stop
from fhir_server.cli.progress import Progress as Done
from fhir_server.cli.sources import Unit
from fhir_server.outcome import FhirError

Json = dict[str, Any]

console = Console(stderr=True)
ATTEMPTS = 8  # how often a Bundle is sent while the server is busy or away
LONGEST_PAUSE = 15.0  # seconds between two of them
BUSY = {429, 502, 503, 504}  # of the server, or of a proxy before it


class Away(Exception):
    """The server cannot be reached, or stays busy: nothing more can be sent."""


def load(
    paths: Annotated[
        list[Path], typer.Argument(help="Bundles or resources (.json), NDJSON, both also .gz, or folders.")
    ],
    url: Annotated[str, typer.Option(help="FHIR base URL of the running server.")] = "http://127.0.0.1:8080/fhir",
    parallel: Annotated[int, typer.Option(help="Requests under way at once.", min=1, max=64)] = 4,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers what is done; give it again to go on where it stopped.")
    ] = None,
) -> None:
    """Load data into a running server, and count what was stored and what failed, and why.

    Resources with an id are stored under it (loading twice changes nothing); others get new ids.
    A transaction Bundle is stored whole or not at all. Waits while the server is busy. Stopped with Ctrl-C it ends
    when what is under way is answered; with --state the same command goes on from there.

    Status 0: all is stored; 1: something failed, or it was stopped; 2: the command makes no sense as it is.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        stop(f"No such file or folder: {', '.join(map(str, missing))}")
    try:
        if httpx.URL(url).scheme not in {"http", "https"}:
            stop(f"{url} is no address of a server, such as http://127.0.0.1:8080/fhir")
        done = Done(state)
    except httpx.InvalidURL as error:
        stop(f"{url} is no address of a server: {error}")
    except (OSError, ValueError) as error:
        stop(f"{state} is no file that remembers a load: {error}")
    report = Report()
    asyncio.run(_load(sources.files(paths), url.rstrip("/"), parallel, done, report))
    _tell(report, resumable=state is not None)
    raise typer.Exit(1 if report.failed or report.stopped else 0)


class Report:
    """What a load did."""

    def __init__(self) -> None:
        self.stored = 0
        self.failed = 0
        self.reasons: Counter[str] = Counter()
        self.stopped: str | None = None  # why it ended before its end

    def fail(self, reason: str, count: int = 1) -> None:
        """Count what was not stored."""
        self.failed += count
        self.reasons[reason] += count

    def stop(self, reason: str) -> None:
        """Take no more units; the first reason is the one that is told."""
        self.stopped = self.stopped or reason


async def _load(files: list[Path], url: str, parallel: int, done: Done, report: Report) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, report.stop, "interrupted")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with httpx.AsyncClient(timeout=120) as client:
        with Progress(*columns, console=console) as bar:
            for file in files:
                task = bar.add_task(file.name, total=None)
                queue = sources.units(file, done.done(file))
                # Files go one after the other: what a file refers to may be in the one before it.
                await asyncio.gather(*(_send_all(client, url, queue, report, done, bar, task) for _ in range(parallel)))
                bar.update(task, total=bar.tasks[task].completed)
                if report.stopped:
                    return


async def _send_all(
    client: httpx.AsyncClient, url: str, queue: Iterator[Unit], report: Report, done: Done, bar: Progress, task: Any
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
        for problem in unit.unreadable:
            report.fail(problem)
        entries = unit.bundle.get("entry", [])
        try:
            if entries:
                await _send(client, url, unit.bundle, report)
        except Away as error:
            report.stop(str(error))  # the unit is not done: whoever goes on begins with it
            return
        done.finish(unit.file, unit.number)
        bar.advance(task, len(entries) + len(unit.unreadable))


async def _send(client: httpx.AsyncClient, url: str, bundle: Json, report: Report) -> None:
    """Post one Bundle, patiently, and count what came of it; raise Away when nobody takes it."""
    reason = ""
    for attempt in range(ATTEMPTS):
        wait = 2.0**attempt / 4
        try:
            content = wire.dumps(bundle)
            answer = await client.post(url, content=content, headers={"content-type": "application/fhir+json"})
        except httpx.TransportError as error:
            reason = f"no connection to {url} ({type(error).__name__})"
        else:
            if answer.status_code not in BUSY:
                waiting = _count(bundle, answer, report)
                if not waiting:
                    return
                bundle = {**bundle, "entry": waiting}
            reason, wait = "the server is busy", _retry_after(answer, wait)
        if report.stopped:
            break
        await asyncio.sleep(min(wait, LONGEST_PAUSE))
    raise Away(reason)


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else otherwise


def _count(bundle: Json, answer: httpx.Response, report: Report) -> list[Json]:
    """Count the entries by what came of them; return those that the server was too busy for."""
    entries: list[Json] = bundle["entry"]
    try:
        said = wire.loads(answer.content)
        if answer.status_code != 200:
            report.fail(_reason(said), len(entries))
            return []
        responses = [row["response"] for row in said["entry"]]
        told = list(zip(entries, responses, strict=True))
    except (FhirError, KeyError, TypeError, ValueError, AttributeError):
        report.fail(
            f"the answer ({answer.status_code}) is not that of a FHIR server: is the --url right?", len(entries)
        )
        return []
    waiting = []
    for entry, response in told:
        status = str(response.get("status"))
        if status.startswith("2"):
            report.stored += 1
        elif status.startswith("503"):
            waiting.append(entry)
        else:
            report.fail(_reason(response.get("outcome", {})))
    return waiting


def _reason(outcome: Json) -> str:
    """Return the first error of an outcome without what is particular to one record, so that equal reasons add up."""
    for issue in outcome.get("issue", ()):
        if issue["severity"] in {"error", "fatal"}:
            rule = issue.get("details", {}).get("coding", [{}])[0].get("code")
            return f"{rule}: {issue['diagnostics']}" if rule else str(issue["diagnostics"])
    return "unknown reason"


def _tell(report: Report, *, resumable: bool) -> None:
    console.print(f"{report.stored} stored, {report.failed} failed")
    for reason, count in report.reasons.most_common(20):
        console.print(f"{count:>8}  {reason}", markup=False, highlight=False, soft_wrap=True)
    if len(report.reasons) > 20:
        console.print(f"         and {len(report.reasons) - 20} other reasons")
    if report.stopped:
        how = "the same command goes on from here" if resumable else "with --state FILE it could go on from here"
        console.print(f"Stopped: {report.stopped}; {how}", style="red", markup=False, highlight=False, soft_wrap=True)
