"""Files of FHIR data as Bundles to send: Bundles as they are, single resources and NDJSON lines in batches.

https://hl7.org/fhir/R4/bundle.html · https://hl7.org/fhir/uv/bulkdata/STU1.0.1/export/index.html#bulk-data-output-file-formats
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from fhir_server import wire
from fhir_server.outcome import FhirError

Json = dict[str, Any]

LINES = 100  # NDJSON lines in one batch
BEGINNING = 4096  # characters of a file that tell what is in it
SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz")
# What others refer to comes first, so that references can be enforced while loading.
ORDER = (
    "Organization",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Medication",
    "Patient",
    "RelatedPerson",
    "Encounter",
    "Immunization",
)


class Unit(NamedTuple):
    """What one request sends: a Bundle, and what could not be read."""

    file: Path
    number: int
    bundle: Json
    lines: tuple[int, ...]  # where in NDJSON each entry stands (else 0)
    gathered: bool  # the Bundle was made here of resources that stand alone
    unreadable: tuple[tuple[int, FhirError], ...] = ()  # with their lines


def files(paths: list[Path], report: Path | None = None) -> list[Path]:
    """Return the data files at `paths`, folders searched, in an order that references can follow.

    A `report` that is written into such a folder is none of them.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in inside if file.is_file() and (file == path or file.name.endswith(SUFFIXES))]
    own = report.resolve() if report else None
    return sorted((file for file in found if file.resolve() != own), key=_rank)


def _rank(file: Path) -> int:
    named = (type for type in re.findall(r"[A-Z][A-Za-z]+", file.name) if type in ORDER)
    type = next(named, None) or _first_type(file)
    return ORDER.index(type) if type in ORDER else len(ORDER)


def _first_type(file: Path) -> str | None:
    """Return the type of the first resource in a file; None when its beginning does not tell."""
    try:
        with _opened(file) as text:
            found = re.search(r'"resourceType"\s*:\s*"([A-Za-z]+)"', text.read(BEGINNING))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None  # who reads it says so
    return found[1] if found else None


def is_data(file: Path) -> bool:
    """Return whether there is a file that begins as FHIR data does: nothing is to be written over it."""
    return file.is_file() and _first_type(file) is not None


class Unreadable(Exception):
    """A file, or the rest of it, cannot be read."""


def units(file: Path, done: int) -> Iterator[Unit]:
    """Yield what of `file` is to be sent after its first `done` units; raise Unreadable."""
    if done == 0 or ".ndjson" in file.name:  # any other file is one unit
        yield from islice(_batches(file, texts(file)), done, None)


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the resources of a file as text, with their lines in NDJSON (else 0); raise Unreadable."""
    try:
        with _opened(file) as text:
            if ".ndjson" not in file.name:
                yield 0, text.read()
                return
            yield from ((number, line) for number, line in enumerate(text, 1) if line.strip())
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise Unreadable(f"{file.name} cannot be read: {error}") from None


def _opened(file: Path) -> io.TextIOBase:
    """Open a text file, compressed or not."""
    if file.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(file), encoding="utf-8")
    return file.open(encoding="utf-8")


def _batches(file: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Unit]:
    """Yield a unit for each Bundle on a line of its own and for every LINES other resources."""
    number = 0
    waiting: list[tuple[int, str]] = []
    for line in lines:
        if '"resourceType":"Bundle"' in line[1][:200].replace(" ", ""):
            if waiting:
                yield _unit(file, number, waiting)
                number, waiting = number + 1, []
            yield _unit(file, number, [line])
            number += 1
            continue
        waiting.append(line)
        if len(waiting) == LINES:
            yield _unit(file, number, waiting)
            number, waiting = number + 1, []
    if waiting:
        yield _unit(file, number, waiting)


def _unit(file: Path, number: int, texts: list[tuple[int, str]]) -> Unit:
    """Return the unit that sends the Bundle that `texts` hold, or a batch that stores each of them."""
    resources: list[tuple[int, Any]] = []
    unreadable = []
    for line, text in texts:
        try:
            resources.append((line, wire.loads(text)))
        except FhirError as error:
            unreadable.append((line, error))
    if len(resources) == 1 and _is_sent_as_it_is(resources[0][1]):
        [(line, bundle)] = resources
        entries = bundle.get("entry")
        count = len(entries) if isinstance(entries, list) else 0
        return Unit(file, number, bundle, (line,) * count, False, tuple(unreadable))
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [_entry(resource) for _, resource in resources]}
    return Unit(file, number, batch, tuple(line for line, _ in resources), True, tuple(unreadable))


def _is_sent_as_it_is(resource: Any) -> bool:
    return (
        isinstance(resource, dict)
        and resource.get("resourceType") == "Bundle"
        and resource.get("type") in ("batch", "transaction")
    )


def _entry(resource: Any) -> Json:
    type = str(resource.get("resourceType", "Resource")) if isinstance(resource, dict) else "Resource"
    if isinstance(resource, dict) and "id" in resource:
        return {"resource": resource, "request": {"method": "PUT", "url": f"{type}/{resource['id']}"}}
    return {"resource": resource, "request": {"method": "POST", "url": type}}
