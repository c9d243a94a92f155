"""R4's own StructureDefinitions with every text, which nobody needs but who reads or makes a snapshot.

https://hl7.org/fhir/R4/downloads.html · hl7.fhir.r4.core 4.0.1 (scripts/build_definitions.py)

Types come with their snapshot, profiles and extensions with their differential.
"""

import lzma
import zlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

Json = dict[str, Any]

FILE: Final = "r4-structures.ndjson.xz"


@cache
def _packed() -> dict[str, bytes]:
    """Return the definitions by URL, each compressed: a hundred are asked for at most, of nine megabytes in all."""
    with (files("fhir_server.definitions") / "data" / FILE).open("rb") as file, lzma.open(file) as lines:
        return {orjson.loads(url): zlib.compress(next(lines), 1) for url in lines}


def find(url: str) -> Json | None:
    """Return R4's own StructureDefinition with canonical `url`; None when there is none.

    The first call takes a fifth of a second.
    """
    packed = _packed().get(url)
    if packed is None:
        return None
    definition: Json = orjson.loads(zlib.decompress(packed))
    return definition


def packed(definitions: list[Json]) -> bytes:
    """Return the content of the file: for each definition a line with its URL, then one with the definition."""
    lines = [orjson.dumps(row) for one in definitions for row in (one["url"], one)]
    return lzma.compress(b"\n".join(lines), preset=9)
