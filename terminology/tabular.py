"""A catalogue of codes in a table (CSV) as FHIR resources: a CodeSystem, and a ConceptMap to the codes of others.

https://hl7.org/fhir/R4/conceptmap.html · https://hl7.org/fhir/R4/datatypes.html#code

Columns, by the names in the first line: `code`, `display`, `target_system`, `target_code`, `target_display`,
`equivalence`, `comment`; only `code` must be there. A code with several targets has several lines.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

COLUMNS: Final = ("code", "display", "target_system", "target_code", "target_display", "equivalence", "comment")
# https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html
EQUIVALENCES: Final = (
    *("relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched"),
    "disjoint",
)
COMMENTED: Final = frozenset({"narrower", "inexact"})  # by rule cmd-1
_CODE: Final = re.compile(r"\S+( \S+)*")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


class Problem(NamedTuple):
    """What is wrong in a line of the file (the first line is 1), in English and Vietnamese."""

    line: int
    en: str
    vi: str


@dataclass
class Catalogue:
    """The good lines of a file, and what is wrong with the others."""

    displays: dict[str, str] = field(default_factory=dict)  # by code; "" where the file has none
    targets: dict[str, dict[str, list[Json]]] = field(default_factory=dict)  # by target system and code
    problems: list[Problem] = field(default_factory=list)


def read(text: str) -> Catalogue:
    """Read a file; commas, semicolons or tabs separate its columns. Every line that is wrong is told."""
    found = Catalogue()
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = csv.reader(lines, delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        unknown = [name for name in header if name not in COLUMNS]
        if "code" not in header or unknown or len(set(header)) < len(header):
            names = ", ".join(COLUMNS)
            found.problems.append(
                Problem(1, f"the first line names the columns: {names}", f"dòng đầu ghi tên các cột: {names}")
            )
            return found
        for row in rows:
            if any(cell.strip() for cell in row):
                _add(found, rows.line_num, header, row)
    except csv.Error as error:
        found.problems.append(Problem(rows.line_num, f"not CSV: {error}", f"không phải CSV: {error}"))
    return found


def _add(found: Catalogue, line: int, header: list[str], row: list[str]) -> None:
    if len(row) != len(header):
        said = f"{len(row)} columns instead of {len(header)}", f"có {len(row)} cột thay vì {len(header)}"
        found.problems.append(Problem(line, *said))
        return
    cells = {name: " ".join(cell.split()) for name, cell in zip(header, row, strict=True)}
    problems = [Problem(line, en, vi) for en, vi in (*_wrong(cells), *_contradicting(found, cells))]
    found.problems += problems
    if problems:
        return
    code, system = cells["code"], cells.get("target_system")
    found.displays[code] = found.displays.get(code) or cells.get("display", "")
    if system:
        found.targets.setdefault(system, {}).setdefault(code, []).append(_target(cells))


def _wrong(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a line by itself."""
    if not _CODE.fullmatch(cells["code"]):
        yield "there is no code", "thiếu mã (code)"
    system, target = cells.get("target_system", ""), cells.get("target_code", "")
    equivalence = cells.get("equivalence", "")
    if system and not _URI.fullmatch(system):
        yield f"target_system '{system[:80]}' is no URI", f"target_system '{system[:80]}' không phải URI"
    if target and not system:
        yield "target_code without target_system", "có target_code nhưng thiếu target_system"
    if equivalence and equivalence not in EQUIVALENCES:
        listed = ", ".join(EQUIVALENCES)
        yield f"equivalence '{equivalence[:40]}' is not one of {listed}", f"equivalence phải là một trong {listed}"
    elif system and not equivalence:
        yield "a target needs an equivalence", "có mã đích thì phải có equivalence"
    elif system and not target and equivalence != "unmatched":
        yield f"'{equivalence}' needs a target_code", f"'{equivalence}' cần có target_code"
    if equivalence in COMMENTED and not cells.get("comment"):
        yield f"'{equivalence}' needs a comment (rule cmd-1)", f"'{equivalence}' cần có ghi chú (quy tắc cmd-1)"


def _contradicting(found: Catalogue, cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what does not go with an earlier line."""
    code, display, system = cells["code"], cells.get("display", ""), cells.get("target_system", "")
    earlier = found.displays.get(code)
    if earlier and display and display != earlier:
        yield f"'{code}' is called '{earlier}' above", f"ở trên '{code}' có tên '{earlier}'"
    same = found.targets.get(system, {}).get(code, [])
    if any(target.get("code", "") == cells.get("target_code", "") for target in same):
        yield f"'{code}' has this target already", f"'{code}' đã có mã đích này"
    if not system and code in found.displays:
        yield f"'{code}' occurs twice", f"mã '{code}' bị lặp"


def _target(cells: Mapping[str, str]) -> Json:
    names = {"code": "target_code", "display": "target_display", "equivalence": "equivalence", "comment": "comment"}
    return {name: cells[column] for name, column in names.items() if cells.get(column)}


def code_system(found: Catalogue, url: str, version: str, name: str) -> Json:
    """Return the codes of a catalogue as CodeSystem."""
    return {
        "resourceType": "CodeSystem",
        "id": identifier(url),
        "url": url,
        "version": version,
        "name": name,
        "status": "active",
        "caseSensitive": True,
        "content": "complete",
        "count": len(found.displays),
        "concept": [_named(found, code) for code in found.displays],
    }


def concept_map(found: Catalogue, url: str, version: str, name: str, source: str) -> Json:
    """Return the targets of a catalogue as ConceptMap from the code system `source`."""
    return {
        "resourceType": "ConceptMap",
        "id": identifier(url),
        "url": url,
        "version": version,
        "name": name,
        "status": "active",
        "group": [
            {
                "source": source,
                "target": system,
                "element": [{**_named(found, code), "target": rows} for code, rows in elements.items()],
            }
            for system, elements in found.targets.items()
        ],
    }


def _named(found: Catalogue, code: str) -> Json:
    display = found.displays[code]
    return {"code": code, "display": display} if display else {"code": code}


def identifier(url: str) -> str:
    """Return an id made of the end of a URL."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", url.rstrip("/").rpartition("/")[2])[-64:].strip("-") or "catalogue"


def parts(resource: Json, most: int) -> Iterator[Json]:
    """Yield a complete CodeSystem as fragments of at most `most` concepts, which together are complete.

    What is nested becomes a property `parent`. https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.content
    """
    rows = list(_flat(resource.get("concept", ())))
    declared = list(resource.get("property", ()))
    if not any(row.get("code") == "parent" for row in declared):
        uri = "http://hl7.org/fhir/concept-properties#parent"
        declared.append({"code": "parent", "uri": uri, "type": "code"})
    shell = {name: value for name, value in resource.items() if name not in {"concept", "text", "id"}}
    stem = str(resource.get("id") or identifier(resource["url"]))[:56]
    for number, start in enumerate(range(0, len(rows), most), 1):
        told = {"id": f"{stem}-{number}", "content": "fragment", "count": len(rows), "property": declared}
        yield {**shell, **told, "concept": rows[start : start + most]}


def _flat(concepts: Iterable[Json]) -> Iterator[Json]:
    waiting: list[tuple[Json, str | None]] = [(concept, None) for concept in reversed(list(concepts))]
    while waiting:
        concept, parent = waiting.pop()
        row = {name: value for name, value in concept.items() if name != "concept"}
        if parent is not None:
            row["property"] = [*row.get("property", ()), {"code": "parent", "valueCode": parent}]
        yield row
        waiting += [(below, concept["code"]) for below in reversed(concept.get("concept", ()))]
