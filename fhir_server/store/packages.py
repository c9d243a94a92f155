"""Which FHIR packages are stored, and which definitions.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

    packages   {_id: name, version, canonical, title, digest, added, complete, resources: [{type, id, version}]}

The resources of a package are ordinary ones. Its record says that it is complete when all of them are stored; before
that it is not in force.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from fhir_server.store.failures import answering
from fhir_server.store.layout import Document, Layout

Key = tuple[str, str]  # resource type, id


class Member(NamedTuple):
    """A resource as the package wrote it: another version than this is somebody's own."""

    type: str
    id: str
    version: int  # 0: it was to be written, perhaps it is


@dataclass(frozen=True, slots=True)
class Record:
    """A package that is stored."""

    name: str
    version: str
    canonical: str
    title: str
    digest: str
    added: datetime
    members: tuple[Member, ...]
    complete: bool = True


class Packages:
    """The packages of one database."""

    def __init__(self, layout: Layout, milliseconds: int):
        self._layout = layout
        self._records = layout.database["packages"]
        self._milliseconds = milliseconds

    async def records(self) -> list[Record]:
        """Return the packages that are stored, complete or not, by name."""
        with answering():
            return [_record(document) for document in await self._records.find({}, sort=[("_id", 1)]).to_list()]

    async def record(self, name: str) -> Record | None:
        """Return the package called `name`; None when it is not stored."""
        with answering():
            document = await self._records.find_one({"_id": name})
        return None if document is None else _record(document)

    async def keep(self, record: Record) -> None:
        """Remember that a package is stored, in place of another version of it."""
        members = [each._asdict() for each in record.members]
        fields = ("version", "canonical", "title", "digest", "added", "complete")
        document = {"_id": record.name, **{name: getattr(record, name) for name in fields}, "resources": members}
        with answering():
            await self._records.replace_one({"_id": record.name}, document, upsert=True)

    async def forget(self, name: str) -> None:
        """Forget the package called `name`."""
        with answering():
            await self._records.delete_one({"_id": name})

    async def definitions(self, types: Sequence[str], largest: int) -> dict[Key, int]:
        """Return the sequences of the current resources of `types` that have at most `largest` bytes."""
        found: dict[Key, int] = {}
        condition: Document = {"d": {"$exists": False}, "$expr": {"$lte": [{"$binarySize": "$raw"}, largest]}}
        for type in types:
            with answering():
                cursor = self._layout.current(type).find(condition, {"s": 1}, max_time_ms=self._milliseconds)
                found |= {(type, document["_id"]): document["s"] for document in await cursor.to_list()}
        return found


def _record(document: dict[str, Any]) -> Record:
    return Record(
        name=document["_id"],
        version=document["version"],
        canonical=document["canonical"],
        title=document["title"],
        digest=document["digest"],
        added=document["added"],
        members=tuple(Member(each["type"], each["id"], each["version"]) for each in document["resources"]),
        complete=document["complete"],
    )
