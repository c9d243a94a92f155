"""`validate` and `demo-data`: files checked, files written.

https://hl7.org/fhir/R4/validation.html
"""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from examples import files, generate
from fhir_server import wire
from fhir_server.cli import sources
from fhir_server.cli.ending import stop
from fhir_server.cli.serving import configured
from fhir_server.definitions.package import NotAPackage
from fhir_server.outcome import FhirError, Issue
from fhir_server.server import definitions_of
from fhir_server.validation import Validator

console = Console(stderr=True)


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Resources or Bundles (.json), NDJSON, both also .gz, or folders.")
    ],
) -> None:
    """Check files without a server: against R4 and every profile that meta.profile declares.

    Prints each issue with its place. Status 0: no errors; 1: errors; 2: a file cannot be read.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        stop(f"No such file or folder: {', '.join(map(str, missing))}")
    try:
        validator = Validator(definitions_of(configured({})))
    except (NotAPackage, OSError) as error:
        stop(str(error))
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
        for number, text in sources.texts(file):
            label = f"{file}:{number}" if number else str(file)
            try:
                yield label, wire.loads(text)
            except FhirError as error:
                yield label, error
    except sources.Unreadable as error:
        yield str(file), FhirError(str(error))


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
    try:
        until = date.fromisoformat(today)
    except ValueError:
        stop(f"--today {today} is no date: write it as 2026-11-01")
    try:
        out.mkdir(parents=True, exist_ok=True)
        count = files.write_bundles(generate.bundles(people, seed, until), out / "demo.ndjson")
    except OSError as error:
        stop(str(error))
    console.print(f"{count} Bundles in {out / 'demo.ndjson'}", markup=False)
