"""Examples on disk: NDJSON, one file a type of resource or one for all Bundles, compressed when the name says so.

https://hl7.org/fhir/R4/nd-json.html
"""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Any, Final

import orjson

from examples.fhir import Resource

# A resource refers only to types before its own, or to lines above it: files are loaded in the order of their names.
ORDER: Final = (
    "Organization",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Medication",
    "Patient",
    "RelatedPerson",
    "Immunization",
    "AdverseEvent",
    "ImmunizationRecommendation",
)


def line(resource: Resource) -> bytes:
    """Return `resource` as one line of NDJSON; decimals keep their digits."""
    return orjson.dumps(resource, default=_decimal, option=orjson.OPT_APPEND_NEWLINE)


def _decimal(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def write_bundles(bundles: Iterable[Resource], path: Path) -> int:
    """Write one Bundle a line; return how many. The file is there when all are: nobody loads a half of one."""
    count = 0
    fresh = path.with_name(f".new-{path.name}")
    try:
        with ExitStack() as stack:
            file = _open(fresh, stack)
            for bundle in bundles:
                file.write(line(bundle))
                count += 1
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def write_resources(bundles: Iterable[Resource], folder: Path, suffix: str = ".ndjson.gz") -> dict[str, int]:
    """Write the resources to `folder`, one file a type, such as `06-Patient.ndjson.gz`; return how many of each.

    The files sort in the order in which a server that checks references can load them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(ORDER, 0)
    with ExitStack() as stack:
        opened = [_open(folder / f"{place:02}-{type}{suffix}", stack) for place, type in enumerate(ORDER, 1)]
        types = dict(zip(ORDER, opened, strict=True))
        for bundle in bundles:
            for entry in bundle["entry"]:
                type = entry["resource"]["resourceType"]
                types[type].write(line(entry["resource"]))
                counts[type] += 1
    return counts


def _open(path: Path, stack: ExitStack) -> IO[bytes] | gzip.GzipFile:
    file = stack.enter_context(path.open("wb"))
    if path.suffix != ".gz":
        return file
    # No name and no time in the header: the same data give the same file.
    return stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))


def read(path: Path) -> Iterator[Resource]:
    """Yield the resources or Bundles of an NDJSON file, compressed or not."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield from map(orjson.loads, file)


def committed() -> Iterator[Resource]:
    """Yield every resource of the small set that comes with this package, in an order that can be loaded."""
    with as_file(files("examples") / "data") as folder:
        for path in sorted(folder.glob("*.ndjson.gz")):
            yield from read(path)
