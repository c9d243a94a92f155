"""The definitions that are stored: which of them are in force, and in what order they count.

https://hl7.org/fhir/R4/conformance-module.html

What somebody stored, or changed, counts more than what came with a package; what is active more than a draft; the
higher business version more than the lower, and of the same version what was stored later. A resource belongs to a
package as long as it is the version that the package wrote. Packages that are in force from files are taken from there,
and those of which not all is stored are not in force.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from fhir_server.definitions.versions import natural
from fhir_server.knowledge.built import WATCHED
from fhir_server.search import custom
from fhir_server.store import Record, Store, Stored

Json = dict[str, Any]
Key = tuple[str, str]  # resource type, id
Rank = tuple[bool, bool, tuple[tuple[int, int, str], ...], int]

# Bytes of a definition that every process holds in memory; larger ones are for the terminology service alone.
LARGEST = dict.fromkeys(sorted(WATCHED), 4 * 1024 * 1024) | {"CodeSystem": 256 * 1024}
PACKAGE = "https://fhir.tiemchung.vn/CodeSystem/package"  # of the tag that says which package a resource came with


class _Known(NamedTuple):
    """A definition as it is stored."""

    sequence: int
    version: int
    package: str | None  # that its tag names
    raw: bytes


class StoredDefinitions:
    """The definitions in the store as they were last read; packages `elsewhere` are in force from files."""

    def __init__(self, store: Store, elsewhere: frozenset[str]):
        self._store = store
        self._elsewhere = elsewhere
        self._known: dict[Key, _Known] = {}
        self._owners: dict[tuple[str, Key], tuple[int, bool]] = {}

    async def read(self) -> bool:
        """Read what is new or changed; return whether other than search parameters are among it."""
        owners = _owners(await self._store.packages.records())
        told = await self._store.packages.definitions(LARGEST)
        gone = self._known.keys() - told.keys()
        changed = {
            key for key, sequence in told.items() if key not in self._known or self._known[key].sequence != sequence
        }
        read = await self._store.read_many(changed)
        for key in gone:
            del self._known[key]
        for key in changed:
            stored = read.get(key)
            if stored is not None and stored.raw is not None:
                self._known[key] = _known(stored, stored.raw)
        others = owners != self._owners
        self._owners = owners
        return others or any(type != "SearchParameter" for type, _ in (*gone, *changed))

    def in_force(self) -> list[Json]:
        """Return the definitions that are in force, of which the last of a URL counts."""
        found: list[tuple[Rank, Json]] = []
        for key, known in self._known.items():
            own, whole = self._standing(key, known)
            if own and not whole:
                continue
            resource = orjson.loads(known.raw)
            if resource.get("url") and (own or _meant(resource)):
                found.append((_rank(own, known.sequence, resource), resource))
        return [resource for _, resource in sorted(found, key=lambda each: each[0])]

    def _standing(self, key: Key, known: _Known) -> tuple[bool, bool]:
        """Return whether a definition is a package's own, and whether that is whole and not in force from elsewhere."""
        owner = self._owners.get((known.package, key)) if known.package else None
        if owner is None or owner[0] not in {0, known.version}:
            return False, True
        return True, owner[1] and known.package not in self._elsewhere


def _rank(own: bool, sequence: int, resource: Json) -> Rank:
    return not own, resource.get("status") == "active", natural(resource.get("version", "")), sequence


def package_of(resource: Json) -> str | None:
    """Return the name of the package that the tag of `resource` names; None when it has none."""
    tags = resource.get("meta", {}).get("tag", ())
    codes = [str(tag.get("code", "")) for tag in tags if tag.get("system") == PACKAGE]
    return codes[0].partition("#")[0] if codes else None


def _known(stored: Stored, raw: bytes) -> _Known:
    return _Known(stored.sequence, stored.version, package_of(orjson.loads(raw)), raw)


def _meant(resource: Json) -> bool:
    if resource.get("content") == "fragment":  # of a part of a code system nobody can tell here what is missing
        return False
    return resource["resourceType"] != "SearchParameter" or custom.in_force(resource)


def _owners(records: Iterable[Record]) -> dict[tuple[str, Key], tuple[int, bool]]:
    """Return the version that each package wrote of each of its resources, and whether the package is complete."""
    found: dict[tuple[str, Key], tuple[int, bool]] = {}
    for record in records:
        for member in record.members:
            found[record.name, (member.type, member.id)] = (member.version, record.complete)
    return found
