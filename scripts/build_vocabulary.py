"""Turn the code systems, value sets and concept maps of FHIR R4 (4.0.1) into the file that ships with the server.

    python -m scripts.build_vocabulary [hl7.fhir.r4.core.tgz]

Kept are the facts: codes, displays, hierarchy, properties, compositions, mappings. Source and licence of the package:
scripts/build_definitions.py.
"""

import gzip
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson

from fhir_server.definitions import package, vocabulary
from scripts.build_definitions import official_package

TARGET = Path(vocabulary.__file__).parent / "data" / vocabulary.FILE
Json = dict[str, Any]

KEPT = {
    "CodeSystem": (
        *("resourceType", "url", "version", "name", "title", "status", "caseSensitive", "valueSet"),
        *("hierarchyMeaning", "content", "supplements", "count", "filter", "property", "concept"),
    ),
    "ValueSet": ("resourceType", "url", "version", "name", "title", "status", "compose", "expansion"),
    "ConceptMap": (
        *("resourceType", "url", "version", "name", "title", "status"),
        *("sourceUri", "sourceCanonical", "targetUri", "targetCanonical", "group"),
    ),
}
CONCEPT = ("code", "display", "designation", "property", "concept")


def facts(resource: Json) -> Json:
    """Return what the server needs of a resource."""
    kept = {name: resource[name] for name in KEPT[resource["resourceType"]] if name in resource}
    if "concept" in kept:
        kept["concept"] = [_concept(row) for row in kept["concept"]]
    for name in ("property", "filter"):  # their descriptions are prose
        if name in kept:
            kept[name] = [{key: value for key, value in row.items() if key != "description"} for row in kept[name]]
    return kept


def _concept(row: Json) -> Json:
    kept = {name: row[name] for name in CONCEPT if name in row}
    if "concept" in kept:
        kept["concept"] = [_concept(below) for below in kept["concept"]]
    return kept


def written(resources: list[Json]) -> bytes:
    """Return an index, then the resources, a line each: of each type where the resource of a URL begins and ends."""
    index: dict[str, dict[str, list[int]]] = {type: {} for type in KEPT}
    body = bytearray()
    for resource in resources:
        if resource["resourceType"] in KEPT and "url" in resource:
            line = orjson.dumps(facts(resource))
            index[resource["resourceType"]][resource["url"]] = [len(body), len(body) + len(line)]
            body += line + b"\n"
    return orjson.dumps(index) + b"\n" + bytes(body)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else official_package(Path(folder))
        resources = sorted(package.read(path), key=lambda resource: (resource["resourceType"], resource["id"]))
        content = written(resources)
    TARGET.write_bytes(gzip.compress(content, mtime=0))
    sys.stdout.write(f"{TARGET.name}: {len(content):,} bytes, {TARGET.stat().st_size:,} compressed\n")


if __name__ == "__main__":
    main()
