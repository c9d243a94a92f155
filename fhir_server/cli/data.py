"""`validate` and `demo-data`: files checked, files written.

https://hl7.org/fhir/R4/validation.html
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

import profiles
from examples import files, generate
from fhir_server import wire
from fhir_server.cli import findings, sources
from fhir_server.cli.configuring import configured
from fhir_server.cli.ending import console, stop
from fhir_server.cli.findings import Findings, Place
from fhir_server.definitions.package import NotAPackage
from fhir_server.outcome import FhirError, Issue
from fhir_server.server import definitions_of
from fhir_server.validation import Defaults, Validator

EARLIEST, LATEST = 1950, 2100  # years in which people can be invented


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Resources or Bundles (.json), NDJSON, both also .gz, or folders.")
    ],
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Canonical URL of a profile that resources of its type are checked against."),
    ] = None,
    programme: Annotated[
        bool, typer.Option("--programme", help="Check every type against the programme's profile for it.")
    ] = False,
    must_support: Annotated[
        bool, typer.Option("--must-support", help="Tell which elements marked mustSupport are missing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the summary only.")] = False,
    report: Annotated[Path | None, typer.Option(help="File (JSON) for how many resources break each rule.")] = None,
) -> None:
    """Check files without a server: against R4 and every profile that meta.profile declares.

    Prints each issue with its place, and in the end how many resources break each rule. What only a server's store and
    terminology can tell (do references lead somewhere, codes of systems that are not here) is not checked.
    Status 0: no errors; 1: errors; 2: a file cannot be read.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        stop(f"No such file or folder: {', '.join(map(str, missing))}")
    if report is not None and sources.is_data(report):
        stop(f"{report} holds FHIR data, which the report would destroy: name another file")
    settings = configured({})
    today = datetime.now(ZoneInfo(settings.time_zone)).date().isoformat()
    try:
        validator = Validator(definitions_of(settings))
    except (NotAPackage, OSError) as error:
        stop(str(error))
    urls = (*(profile or ()), *(validator.profiles_below(profiles.CANONICAL) if programme else ()))
    by_type = validator.by_type(urls)
    if unknown := by_type.get(""):
        stop(f"No package here defines {', '.join(unknown)}: name its package in FHIR_PACKAGES, or correct the URL")
    found = Summary()
    found.write(report)  # so that a file that cannot be written is noticed now
    for file in sources.files(paths, report):
        for place, resource in _read(file):
            if isinstance(resource, FhirError):
                found.unreadable += 1
                found.findings.add(place, None, resource.issues)
                _print(place, resource.issues)
                continue
            issues = validator.validate(
                resource,
                today=today,
                defaults=Defaults(by_type, enforced=True),
                must_support=must_support,
            ).issues
            found.add(place, resource, issues)
            if not quiet:
                _print(place, issues)
    found.print()
    found.write(report)
    raise typer.Exit(2 if found.unreadable else 1 if found.errors else 0)


@dataclass
class Summary:
    """How many resources were checked, and how many break each rule."""

    checked: int = 0
    errors: int = 0
    unreadable: int = 0
    findings: Findings = field(default_factory=Findings)

    def add(self, place: Place, resource: Any, issues: Sequence[Issue]) -> None:
        """Count one resource."""
        self.checked += 1
        self.errors += any(issue.severity in {"error", "fatal"} for issue in issues)
        self.findings.add(place, resource, issues)

    def print(self) -> None:
        """Print the rules that are broken, the worst first."""
        self.findings.print(console)
        console.print(f"{self.checked} resources checked, {self.errors} with errors, {self.unreadable} unreadable")

    def write(self, path: Path | None) -> None:
        """Write the same as JSON, when there is a path; end with status 2 when that cannot be."""
        facts = {"checked": self.checked, "withErrors": self.errors, "unreadable": self.unreadable}
        try:
            if path is not None:
                findings.report(path, facts, self.findings)
        except OSError as error:
            stop(f"The report cannot be written: {error}")


def _read(file: Path) -> Iterator[tuple[Place, Any]]:
    """Yield every resource of `file` with its place, or the error that says why it cannot be read."""
    try:
        for number, text in sources.texts(file):
            place = Place(str(file), number)
            try:
                yield place, wire.loads(text)
            except FhirError as error:
                yield place, error
    except sources.Unreadable as error:
        yield Place(str(file)), FhirError(str(error))


def _print(place: Place, issues: tuple[Issue, ...]) -> None:
    for issue in issues:
        sys.stdout.write(f"{place}: {issue.severity}: {issue.expression or '-'}: {issue.en}\n")


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
    if not EARLIEST <= until.year <= LATEST:
        stop(f"--today {today} lies too far away: years from {EARLIEST} to {LATEST} can be invented")
    try:
        out.mkdir(parents=True, exist_ok=True)
        count = files.write_bundles(generate.bundles(people, seed, until), out / "demo.ndjson")
    except OSError as error:
        stop(str(error))
    console.print(f"{count} Bundles in {out / 'demo.ndjson'}", markup=False)
