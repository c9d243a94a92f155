"""`load`, `validate` and `demo-data`: files in, files checked, files out."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples import files, generate
from fhir_server import wire
from fhir_server.cli import sources
from fhir_server.cli.progress import Progress as Done
from fhir_server.cli.sources import Unit
from fhir_server.outcome import FhirError, Issue
from fhir_server.server import definitions_of
from fhir_server.settings import Settings
from fhir_server.validation import Validator

Json = dict[str, Any]

console = Console(stderr=True)
ATTEMPTS = 8  # how often a Bundle is sent while the server is busy or away


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

    Resources with an id are stored under it (loading twice changes nothing but versions); others get new ids.
    A transaction Bundle is stored whole or not at all. Ends with status 1 when something failed.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        console.print(f"No such file or folder: {', '.join(map(str, missing))}", style="red", markup=False)
        raise typer.Exit(2)
    report = asyncio.run(_load(sources.files(paths), url.rstrip("/"), parallel, Done(state)))
    _tell(report)
    raise typer.Exit(1 if report.failed else 0)


class Report:
    """What a load did."""

    def __init__(self) -> None:
        self.stored = 0
        self.failed = 0
        self.reasons: Counter[str] = Counter()

    def fail(self, reason: str, count: int = 1) -> None:
        self.failed += count
        self.reasons[reason] += count


async def _load(files: list[Path], url: str, parallel: int, done: Done) -> Report:
    report = Report()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with httpx.AsyncClient(timeout=120) as client:
        with Progress(*columns, console=console) as bar:
            for file in files:
                task = bar.add_task(file.name, total=None)
                queue = sources.units(file, done.done(file))
                # Files go one after the other: what a file refers to may be in the one before it.
                await asyncio.gather(*(_send_all(client, url, queue, report, done, bar, task) for _ in range(parallel)))
                bar.update(task, total=bar.tasks[task].completed)
    return report


async def _send_all(
    client: httpx.AsyncClient, url: str, queue: Iterator[Unit], report: Report, done: Done, bar: Progress, task: Any
) -> None:
    """Send units until none is left; several of these share one queue."""
    for unit in queue:
        for problem in unit.unreadable:
            report.fail(problem)
        entries = unit.bundle.get("entry", [])
        if entries:
            await _send(client, url, unit.bundle, report)
        done.finish(unit.file, unit.number)
        bar.advance(task, len(entries) + len(unit.unreadable))


async def _send(client: httpx.AsyncClient, url: str, bundle: Json, report: Report) -> None:
    """Post one Bundle, patiently, and count what came of it."""
    body = wire.dumps(bundle)
    for attempt in range(ATTEMPTS):
        try:
            answer = await client.post(url, content=body, headers={"content-type": "application/fhir+json"})
        except httpx.TransportError as error:
            reason, wait = f"no connection to {url} ({type(error).__name__})", 2.0**attempt / 4
        else:
            if answer.status_code != 503:
                _count(bundle, answer, report)
                return
            reason, wait = "the server is busy (503)", float(answer.headers.get("retry-after", 1))
        await asyncio.sleep(min(wait, 15))
    report.fail(reason, len(bundle["entry"]))


def _count(bundle: Json, answer: httpx.Response, report: Report) -> None:
    said = wire.loads(answer.content)
    if answer.status_code != 200:
        report.fail(_reason(said), len(bundle["entry"]))
        return
    for entry in said.get("entry", ()):
        if entry["response"]["status"].startswith("2"):
            report.stored += 1
        else:
            report.fail(_reason(entry["response"].get("outcome", {})))


def _reason(outcome: Json) -> str:
    """Return the first error of an outcome without what is particular to one record, so that equal reasons add up."""
    for issue in outcome.get("issue", ()):
        if issue["severity"] in {"error", "fatal"}:
            rule = issue.get("details", {}).get("coding", [{}])[0].get("code")
            return f"{rule}: {issue['diagnostics']}" if rule else str(issue["diagnostics"])
    return "unknown reason"


def _tell(report: Report) -> None:
    console.print(f"{report.stored} stored, {report.failed} failed")
    for reason, count in report.reasons.most_common(20):
        console.print(f"{count:>8}  {reason}", markup=False, highlight=False, soft_wrap=True)
    if len(report.reasons) > 20:
        console.print(f"         and {len(report.reasons) - 20} other reasons")


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Resources or Bundles (.json), NDJSON, both also .gz, or folders.")
    ],
) -> None:
    """Check files without a server: against R4 and every profile that meta.profile declares.

    Prints each issue with its place. Status 0: no errors; 1: errors; 2: a file cannot be read.
    """
    validator = Validator(definitions_of(Settings()))
    checked = errors = unreadable = 0
    for file in sources.files(paths):
        for label, found in _read(file):
            if isinstance(found, FhirError):
                unreadable += 1
                _print(label, found.issues)
                continue
            issues = validator.validate(found).issues
            checked += 1
            errors += any(issue.severity in {"error", "fatal"} for issue in issues)
            _print(label, issues)
    console.print(f"{checked} resources checked, {errors} with errors, {unreadable} unreadable")
    raise typer.Exit(2 if unreadable else 1 if errors else 0)


def _read(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield every resource of `file` with its place, or the error that says why it cannot be read."""
    try:
        with sources.opened(file) as text:
            lines = list(text) if ".ndjson" in file.name else [text.read()]
    except (OSError, UnicodeDecodeError) as error:
        yield str(file), FhirError(f"cannot be read: {error}")
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        label = f"{file}:{number}" if len(lines) > 1 else str(file)
        try:
            resource = wire.loads(line)
        except FhirError as error:
            yield label, error
        else:
            yield label, resource


def _print(label: str, issues: tuple[Issue, ...]) -> None:
    for issue in issues:
        sys.stdout.write(f"{label}: {issue.severity}: {issue.expression or '-'}: {issue.en}\n")


def demo_data(
    out: Annotated[Path, typer.Option(help="Folder to write NDJSON into, one Bundle a line.")],
    people: Annotated[int, typer.Option(help="How many people to invent.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people.")] = 2026,
    today: Annotated[str, typer.Option(help="Doses are given up to this date.")] = "2026-11-01",
) -> None:
    """Invent people with their doses by the national schedule, for trials and load tests; no one of them exists."""
    out.mkdir(parents=True, exist_ok=True)
    count = files.write_bundles(generate.bundles(people, seed, date.fromisoformat(today)), out / "demo.ndjson")
    console.print(f"{count} Bundles in {out / 'demo.ndjson'}", markup=False)
