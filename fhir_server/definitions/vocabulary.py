"""The code systems, value sets and concept maps that ship: those of FHIR R4 and those of packages; read when needed.

https://hl7.org/fhir/R4/terminologies-systems.html
"""

import gzip
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from hashlib import blake2b
from importlib.resources import files
from typing import Any, Final, NamedTuple

import orjson

Json = dict[str, Any]

FILE: Final = "r4-vocabulary.ndjson.gz"
TYPES: Final = ("CodeSystem", "ValueSet", "ConceptMap")
MOST: Final = 6 * 1024 * 1024  # bytes of JSON whose readings one process keeps


class Shipped(NamedTuple):
    """A resource that ships: `key` names its content."""

    key: str
    raw: bytes


class Vocabulary:
    """What ships, by type and canonical URL; and `kept`, what was read of it and of the database.

    The packages are read when the first question comes that FHIR R4 itself does not answer.
    """

    def __init__(self, packages: Callable[[], Iterable[Json]] = tuple):
        self._packages = packages
        self._reading = threading.Lock()
        self.kept = Kept(MOST)

    def named(self, type: str, url: str) -> list[Shipped]:
        """Return the resources of `type` with this canonical URL (without version): packages' before FHIR's own."""
        packed = self._packed.get((type, url), [])
        found = [Shipped(key, zlib.decompress(raw)) for key, raw in packed]
        own = _core().find(type, url)
        return found if own is None else [*found, Shipped(f"r4 {url}", own)]

    def urls(self, type: str) -> list[str]:
        """Return the canonical URLs of everything of `type` that ships, in order."""
        return sorted({*_core().places[type], *(url for kind, url in self._packed if kind == type)})

    def maps(self, end: str, system: str) -> frozenset[str]:
        """Return the canonical URLs of the concept maps that ship with a group whose `end` (source, target) it is."""
        with self._reading:
            return self._ends.get((end, system), frozenset())

    @cached_property
    def _ends(self) -> dict[tuple[str, str], frozenset[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        core = _core()
        packed = [
            (url, zlib.decompress(raw))
            for (type, url), rows in self._packages_read.items()
            for _, raw in rows
            if type == "ConceptMap"
        ]
        for url, raw in [*packed, *((url, core.find("ConceptMap", url) or b"{}") for url in core.places["ConceptMap"])]:
            for group in orjson.loads(raw).get("group", ()):
                for end in ("source", "target"):
                    found.setdefault((end, group.get(end, "")), set()).add(url)
        return {key: frozenset(urls) for key, urls in found.items()}

    @property
    def _packed(self) -> dict[tuple[str, str], list[tuple[str, bytes]]]:
        with self._reading:  # readers may be threads
            return self._packages_read

    @cached_property
    def _packages_read(self) -> dict[tuple[str, str], list[tuple[str, bytes]]]:
        found: dict[tuple[str, str], list[tuple[str, bytes]]] = {}
        for resource in self._packages():
            type, url = resource.get("resourceType"), resource.get("url")
            if type in TYPES and isinstance(url, str):
                raw = orjson.dumps(resource)
                key = f"package {blake2b(raw, digest_size=12).hexdigest()}"
                found.setdefault((str(type), url), []).append((key, zlib.compress(raw)))
        return found


class Kept:
    """What was read lately, by key: as much as `most` bytes of JSON said."""

    def __init__(self, most: int):
        self._most = most
        self._total = 0
        self._rows: OrderedDict[Any, tuple[Any, int]] = OrderedDict()

    def get(self, key: Any) -> Any:
        """Return what is kept under `key`, None when nothing is."""
        row = self._rows.get(key)
        if row is None:
            return None
        self._rows.move_to_end(key)
        return row[0]

    def put(self, key: Any, value: Any, weight: int) -> None:
        """Keep `value`; what was not asked for the longest goes."""
        if key in self._rows:
            self._total -= self._rows.pop(key)[1]
        self._rows[key] = (value, weight)
        self._total += weight
        while self._total > self._most and len(self._rows) > 1:
            _, (_, gone) = self._rows.popitem(last=False)
            self._total -= gone


class Core(NamedTuple):
    """The file that ships: where each resource lies in `body`."""

    places: dict[str, dict[str, list[int]]]
    body: bytes

    def find(self, type: str, url: str) -> bytes | None:
        """Return the JSON of a resource, None when there is none."""
        place = self.places[type].get(url)
        return None if place is None else self.body[place[0] : place[1]]


@cache
def _core() -> Core:
    content = gzip.decompress((files("fhir_server.definitions") / "data" / FILE).read_bytes())
    end = content.index(b"\n")
    return Core(orjson.loads(content[:end]), content[end + 1 :])
