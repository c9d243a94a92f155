"""Which FHIR packages are stored, and which definitions.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

    packages   {_id: name, version, canonical, title, digest, added, complete, resources: [{type, id, version}]}

The resources of a package are ordinary ones. Its record says that it is complete when all of them are stored; before
that it is not in force.
"""

from collections.abc import Mapping
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

    async def definitions(self, largest: Mapping[str, int]) -> dict[Key, int]:
        """Return the sequences of the current resources of each type that have at most so many bytes."""
        found: dict[Key, int] = {}
        for type, most in largest.items():
            documents = await self._of_size(type, "$lte", most, {"s": 1})
            found |= {(type, document["_id"]): document["s"] for document in documents}
        return found

    async def large(self, type: str, than: int) -> list[tuple[str, int]]:
        """Return id and version of the current resources of `type` that have more than so many bytes."""
        return [(document["_id"], document["v"]) for document in await self._of_size(type, "$gt", than, {"v": 1})]

    async def _of_size(self, type: str, operator: str, size: int, fields: Document) -> list[Document]:
        condition: Document = {"d": {"$exists": False}, "$expr": {operator: [{"$binarySize": "$raw"}, size]}}
        with answering():
            cursor = self._layout.current(type).find(condition, fields, max_time_ms=self._milliseconds)
            return await cursor.to_list()


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
