"""How many resources break each rule: one table for what is checked here and for what a server says of a load.

https://hl7.org/fhir/R4/operationoutcome.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console

from fhir_server import wire
from fhir_server.cli import withheld
from fhir_server.outcome import TRANSLATION_URL, Issue, Severity

Json = dict[str, Any]

MAX_RULES = 1000  # rows: what hostile files break is not kept for ever
SHOWN = 40  # rows on the screen; a report has all
ORDER: Final[tuple[Severity, ...]] = ("fatal", "error", "warning", "information")

_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")


class Place(NamedTuple):
    """Where a resource stands."""

    file: str
    line: int = 0  # of NDJSON; 0: the file is one resource

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Key(NamedTuple):
    """What is counted together."""

    severity: Severity
    rule: str  # its key, or the code of the issue where it has none
    type: str  # of the resource


@dataclass(slots=True)
class Row:
    """How many resources break one rule, and the first of them; its texts do not say what the record says."""

    resources: int
    place: Place
    expression: str | None
    code: str
    profile: str | None
    en: str
    vi: str


@dataclass
class Findings:
    """The rules that resources break. What it holds does not grow with how many resources there are."""

    rows: dict[Key, Row] = field(default_factory=dict)
    beyond: int = 0  # resources that break rules for which there was no row left, once for each rule

    def add(self, place: Place, resource: Any, issues: Iterable[Issue]) -> None:
        """Count what was found in one resource; of a Bundle in each of its entries."""
        for position, found in _by_entry(resource, issues).items():
            self._count(place, resource, found, type_of(resource if position is None else _entry(resource, position)))

    def _count(self, place: Place, resource: Any, issues: list[Issue], type: str) -> None:
        for key, issue in {Key(each.severity, each.rule or each.code, type): each for each in reversed(issues)}.items():
            row = self.rows.get(key)
            if row is not None:
                row.resources += 1
            elif len(self.rows) < MAX_RULES:
                self.rows[key] = _first(place, resource, issue)
            else:
                self.beyond += 1

    def sorted(self) -> list[tuple[Key, Row]]:
        """Return the worst first, of these what most resources break."""
        return sorted(self.rows.items(), key=lambda item: (ORDER.index(item[0].severity), -item[1].resources, item[0]))

    def written(self) -> list[Json]:
        """Return the rows for machines."""
        return [
            {
                "rule": key.rule,
                "severity": key.severity,
                "code": row.code,
                "type": key.type,
                "resources": row.resources,
                **({"profile": row.profile} if row.profile else {}),
                "example": {
                    "file": row.place.file,
                    **({"line": row.place.line} if row.place.line else {}),
                    **({"expression": row.expression} if row.expression else {}),
                },
                "text": {"en": row.en, "vi": row.vi},
            }
            for key, row in self.sorted()
        ]

    def print(self, console: Console) -> None:
        """Print a line for each rule, with an example, and below it what is wrong in both languages."""
        rows = self.sorted()
        if not rows:
            return
        lines = [f"{'resources':>9}  {'severity':11}  rule, type, example"]
        for key, row in rows[:SHOWN]:
            at = f"{row.place} {row.expression or ''}".rstrip()
            lines.append(f"{row.resources:>9}  {key.severity:11}  {key.rule}  {key.type}  {at}")
            lines += (f"{'':24}{text}" for text in dict.fromkeys((row.en, row.vi)))
        if len(rows) > SHOWN:
            lines.append(f"{'':24}and {len(rows) - SHOWN} other rules (--report FILE has all)")
        if self.beyond:
            lines.append(f"{self.beyond:>9}  of other rules")
        console.print("\n".join(lines), markup=False, highlight=False)


def report(path: Path, facts: Json, findings: Findings) -> None:
    """Write `facts` and the rows as a JSON file; raise OSError."""
    rows = {**facts, "rules": findings.written(), "resourcesOfOtherRules": findings.beyond}
    path.write_bytes(wire.indented(wire.dumps(rows)) + b"\n")


def issues_of(outcome: Any) -> tuple[Issue, ...]:
    """Return the issues of an OperationOutcome in English with its translation; none when it is something else."""
    try:
        return tuple(_issue(row) for row in outcome["issue"])
    except (AttributeError, KeyError, TypeError, IndexError):
        return ()


def _issue(row: Json) -> Issue:
    details = row.get("details", {})
    en = str(row.get("diagnostics") or details.get("text", ""))
    translations = (_translation(each) for each in details.get("_text", {}).get("extension", ()))
    return Issue(
        next((severity for severity in ORDER if severity == row["severity"]), "error"),
        str(row["code"]),
        en,
        next((text for language, text in translations if language == "vi"), en),
        next(iter(row.get("expression", ())), None),
        next((str(coding["code"]) for coding in details.get("coding", ())), None),
        next((str(each["valueString"]) for each in row.get("extension", ())), None),
    )


def _translation(extension: Json) -> tuple[str, str]:
    if extension["url"] != TRANSLATION_URL:
        return "", ""
    parts = {part["url"]: part for part in extension["extension"]}
    return parts["lang"]["valueCode"], parts["content"]["valueString"]


def _by_entry(resource: Any, issues: Iterable[Issue]) -> dict[int | None, list[Issue]]:
    """Return the issues by the entry of a Bundle that they speak of; None: of the resource itself."""
    found: dict[int | None, list[Issue]] = {}
    for issue in issues:
        match = _ENTRY.match(issue.expression or "") if type_of(resource) == "Bundle" else None
        found.setdefault(int(match[1]) if match else None, []).append(issue)
    return found


def _entry(bundle: Json, position: int) -> Any:
    entries = bundle.get("entry")
    entry = entries[position] if isinstance(entries, list) and position < len(entries) else None
    return entry.get("resource") if isinstance(entry, dict) else None


def type_of(resource: Any) -> str:
    """Return the type of a resource as far as it looks like one, else "-": anything else could be what it tells."""
    said = resource.get("resourceType") if isinstance(resource, dict) else None
    return said if isinstance(said, str) and re.fullmatch(r"[A-Z][A-Za-z]{1,40}", said) else "-"


def _first(place: Place, resource: Any, issue: Issue) -> Row:
    en, vi = issue.en, issue.vi
    if issue.code != "invariant":  # those have their text from the rule alone
        values = list(withheld.values(resource, (issue.expression or "").partition(".")[2]))
        en, vi = withheld.text(en, values), withheld.text(vi, values)
    return Row(1, place, issue.expression, issue.code, issue.profile, en, vi)
