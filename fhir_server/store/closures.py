"""Closure tables: which concepts each client has named so far, and in which of its calls.

https://hl7.org/fhir/R4/terminology-service.html#closure

    closures   {_id: name, v: version, c: [[system, code, version in which it was added]], a: last used at}

How the concepts relate is not stored: the code systems tell.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.store.failures import answering
from fhir_server.store.layout import Collection, Document


class Named(NamedTuple):
    """A concept of a table, and the version of the table since which it is there."""

    system: str
    code: str
    since: int


class Table(NamedTuple):
    """A closure table."""

    version: int
    concepts: tuple[Named, ...]


class Closures:
    """The closure tables of one database, `most` of them at a time."""

    def __init__(self, database: AsyncDatabase[Document], most: int = 1_000):
        self._tables: Collection = database["closures"]
        self._most = most

    async def begin(self, name: str, now: datetime) -> Table:
        """Make an empty table, in place of one that has this name; that which was not used for longest makes room."""
        with answering():
            await self._tables.replace_one({"_id": name}, {"v": 0, "c": [], "a": now}, upsert=True)
            excess = await self._tables.estimated_document_count() - self._most
            if excess > 0:
                oldest = await self._tables.find({}, {"_id": 1}, sort=[("a", 1), ("_id", 1)], limit=excess).to_list()
                await self._tables.delete_many({"_id": {"$in": [each["_id"] for each in oldest]}})
        return Table(0, ())

    async def read(self, name: str) -> Table | None:
        """Return the table with this name; None when there is none."""
        with answering():
            found = await self._tables.find_one({"_id": name})
        return None if found is None else Table(found["v"], tuple(Named(*row) for row in found["c"]))

    async def add(self, name: str, version: int, concepts: Sequence[tuple[str, str]], now: datetime) -> bool:
        """Add concepts to a table that has this version, which is one higher then; return whether it had."""
        rows = [[system, code, version + 1] for system, code in concepts]
        change = {"$push": {"c": {"$each": rows}}, "$set": {"v": version + 1, "a": now}}
        with answering():
            done = await self._tables.update_one({"_id": name, "v": version}, change)
        return done.modified_count == 1
