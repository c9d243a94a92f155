"""Where things lie in MongoDB: two collections for each resource type, and the indexes on them.

https://www.mongodb.com/docs/manual/core/indexes/index-types/index-multikey/

`Immunization` holds current versions, `Immunization_History` superseded ones. R4 has 146 types, of which a
programme uses a few dozen: making 292 collections costs seconds and file handles at every new database, so
both collections of a type are made at the first write of that type.
"""

import asyncio
import re
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.store.failures import answering

Document = dict[str, Any]
Collection = AsyncCollection[Document]

_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")
_CURRENT = (
    IndexModel([("ix", ASCENDING), ("s", DESCENDING)], name="entries"),
    IndexModel([("s", DESCENDING)], name="sequence"),
    IndexModel([("uq", ASCENDING)], name="claims", unique=True, partialFilterExpression={"uq": {"$exists": True}}),
    IndexModel([("d", ASCENDING)], name="deleted", partialFilterExpression={"d": True}),
)
_HISTORY = (IndexModel([("s", DESCENDING)], name="sequence"),)


class Layout:
    """The collections of one database."""

    def __init__(self, database: AsyncDatabase[Document]):
        self.database = database
        self._current: dict[str, Collection] = {}
        self._history: dict[str, Collection] = {}
        self._made: dict[str, asyncio.Task[None]] = {}

    def current(self, type: str) -> Collection:
        """Return the collection of the current versions of `type`; raise ValueError when that is no type."""
        if type not in self._current:
            self._name(type)
        return self._current[type]

    def history(self, type: str) -> Collection:
        """Return the collection of the superseded versions of `type`; raise ValueError when that is no type."""
        if type not in self._history:
            self._name(type)
        return self._history[type]

    async def ensure(self, type: str) -> None:
        """Make the collections and the indexes of `type` unless this process knows that they are there.

        Creating an index that exists changes nothing, so processes may do this at the same moment.
        """
        making = self._made.get(type)
        if making is None or (making.done() and (making.cancelled() or making.exception())):
            making = self._made[type] = asyncio.create_task(self._make(type))
        if not making.done():
            await asyncio.shield(making)  # one writer giving up must not stop the others

    async def _make(self, type: str) -> None:
        with answering():
            await asyncio.gather(
                self.current(type).create_indexes(list(_CURRENT)),
                self.history(type).create_indexes(list(_HISTORY)),
            )

    def _name(self, type: str) -> None:
        if not _TYPE.fullmatch(type):
            raise ValueError(f"'{type}' is not the name of a resource type")
        self._current[type] = self.database[type]
        self._history[type] = self.database[f"{type}_History"]
