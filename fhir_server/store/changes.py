"""Every version of every resource in the order of time: what the history of a type and of the system tells.

https://hl7.org/fhir/R4/http.html#history

Versions lie in two collections of each type and move from one to the other: an update copies the superseded version
to the history before it replaces it. Who looks at the current versions first and at the history second therefore
misses none, and may only see one twice; its sequence tells.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from heapq import nlargest, nsmallest
from typing import TypeVar

from fhir_server.store.documents import LAST_SEQUENCE, VERSION_PROJECTION, Stored, history_key, stored
from fhir_server.store.failures import answering
from fhir_server.store.layout import Collection, Document, Layout
from fhir_server.store.weighing import collected

_TOGETHER = 16  # types that are asked at the same moment
Result = TypeVar("Result")
Version = tuple[str, str, int]  # type, id, version


class Changes:
    """The versions of one database by sequence; no query takes longer than `milliseconds`."""

    def __init__(self, layout: Layout, milliseconds: int):
        self._layout = layout
        self._milliseconds = milliseconds

    async def types(self) -> list[str]:
        """Return the types of which something was ever stored."""
        with answering():
            # The names of the store's own collections begin with a small letter.
            names = await self._layout.database.list_collection_names(filter={"name": {"$regex": "^[A-Z][A-Za-z]*$"}})
        return sorted(names)

    async def newest(self, types: Sequence[str]) -> int:
        """Return the largest sequence among the versions of `types`, 0 when there is none."""
        return max(await self._sequences(types, 0, LAST_SEQUENCE, False, 1), default=(0, ""))[0]

    async def changes(
        self,
        types: Sequence[str],
        *,
        low: int = 0,
        high: int = LAST_SEQUENCE,
        oldest_first: bool = False,
        limit: int,
    ) -> list[Stored]:
        """Return up to `limit` versions of all resources of `types` with low <= sequence < high; raise TooCostly.

        They come by sequence, newest first unless told. A writer that is slow may still commit a version with a
        sequence below those returned.
        """
        if limit < 1 or low >= high:
            return []
        found = await self._sequences(types, low, high, oldest_first, limit)
        chosen = (nsmallest if oldest_first else nlargest)(limit, found)
        wanted: dict[str, list[int]] = defaultdict(list)
        for sequence, type in chosen:
            wanted[type].append(sequence)
        versions = {
            version.sequence: version
            for of_type in await _each(wanted, lambda type: self._versions(type, wanted[type]))
            for version in of_type
        }
        return [versions[sequence] for sequence, _ in chosen if sequence in versions]

    async def successors(self, versions: Iterable[Stored]) -> dict[Version, int]:
        """Return the sequence of the next version of each of `versions` that has one, by (type, id, version)."""
        by_type: dict[str, list[Stored]] = defaultdict(list)
        for version in versions:
            by_type[version.type].append(version)
        found = await _each(by_type, lambda type: self._following(type, by_type[type]))
        return {version: sequence for of_type in found for version, sequence in of_type.items()}

    async def _sequences(
        self, types: Sequence[str], low: int, high: int, oldest_first: bool, limit: int
    ) -> set[tuple[int, str]]:
        """Return the first `limit` sequences of each type in order, from the indexes alone."""

        async def of(type: str) -> set[tuple[int, str]]:
            found: set[tuple[int, str]] = set()
            for collection in (self._layout.current(type), self._layout.history(type)):
                documents = await self._documents(
                    collection, {"s": {"$gte": low, "$lt": high}}, {"s": 1, "_id": 0}, 1 if oldest_first else -1, limit
                )
                found.update((document["s"], type) for document in documents)
            return found

        return set().union(*await _each(types, of))

    async def _versions(self, type: str, sequences: Sequence[int]) -> list[Stored]:
        wanted, found = set(sequences), []
        for collection in (self._layout.current(type), self._layout.history(type)):
            documents = await self._documents(collection, {"s": {"$in": sorted(wanted)}}, VERSION_PROJECTION)
            found += [stored(type, document["_id"].partition("/")[0], document) for document in documents]
            wanted -= {document["s"] for document in documents}
            if not wanted:
                break
        return found

    async def _following(self, type: str, versions: Sequence[Stored]) -> dict[Version, int]:
        fields = {"v": 1, "s": 1}
        ids = sorted({version.id for version in versions})
        current = {
            document["_id"]: (document["v"], document["s"])
            for document in await self._documents(self._layout.current(type), {"_id": {"$in": ids}}, fields)
        }
        keys = [
            history_key(version.id, version.version + 1)
            for version in versions
            if version.version + 1 < current.get(version.id, (0, 0))[0]
        ]
        documents = await self._documents(self._layout.history(type), {"_id": {"$in": keys}}, fields) if keys else []
        numbers = {(document["_id"].partition("/")[0], document["v"]): document["s"] for document in documents}
        numbers |= {(id, number): sequence for id, (number, sequence) in current.items()}
        return {
            (type, version.id, version.version): numbers[version.id, version.version + 1]
            for version in versions
            if (version.id, version.version + 1) in numbers
        }

    async def _documents(
        self, collection: Collection, condition: Document, fields: Document, order: int = 0, limit: int = 0
    ) -> list[Document]:
        with answering():
            cursor = collection.find(
                condition,
                fields,
                sort=[("s", order)] if order else None,
                limit=limit,
                max_time_ms=self._milliseconds,
            )
            return await collected(cursor)


async def _each(types: Iterable[str], ask: Callable[[str], Awaitable[Result]]) -> list[Result]:
    """Return what `ask` says of every type, some at the same moment."""
    waiting = asyncio.Semaphore(_TOGETHER)

    async def one(type: str) -> Result:
        async with waiting:
            return await ask(type)

    return await asyncio.gather(*(one(type) for type in types))
