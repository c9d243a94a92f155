"""Reading versions by id: reads that wait at the same moment become one query.

https://hl7.org/fhir/R4/http.html#read, #vread and #history
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence

from fhir_server.store.documents import LAST_SEQUENCE, VERSION_PROJECTION, Stored, history_key, stored
from fhir_server.store.failures import answering
from fhir_server.store.gathering import Gatherer
from fhir_server.store.layout import Collection, Document, Layout
from fhir_server.store.weighing import collected

TOGETHER = 500  # reads in one query
FEW = 8  # reads that better join those of others than make a query of their own


class Reads:
    """Reads by id of one database."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._reading: dict[str, Gatherer[str, Stored | None]] = {}

    async def read(self, type: str, id: str) -> Stored | None:
        """Return the current version, which may say "deleted"; None when there never was one."""
        return await self._gatherer(type).ask(id)

    def _gatherer(self, type: str) -> Gatherer[str, Stored | None]:
        gatherer = self._reading.get(type)
        if gatherer is None:
            gatherer = self._reading[type] = Gatherer(self._reader(type), TOGETHER)
        return gatherer

    def _reader(self, type: str) -> Callable[[Sequence[str]], Awaitable[Sequence[Stored | None]]]:
        async def read(ids: Sequence[str]) -> Sequence[Stored | None]:
            found = await fetch(type, self._layout.current(type), set(ids))
            return [found.get(id) for id in ids]

        return read

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Stored]:
        """Return the current versions of the (type, id) that exist: one query per type."""
        wanted = set(keys)
        if len(wanted) <= FEW:
            versions = await asyncio.gather(*(self._gatherer(type).ask(id) for type, id in wanted))
            return {(version.type, version.id): version for version in versions if version}
        ids: dict[str, set[str]] = defaultdict(set)
        for type, id in wanted:
            ids[type].add(id)
        found = await asyncio.gather(*(fetch(type, self._layout.current(type), ids[type]) for type in ids))
        return {(version.type, version.id): version for one in found for version in one.values()}

    async def vread(self, type: str, id: str, version: int) -> Stored | None:
        """Return version `version`, current or superseded; None when there is none."""
        current = await self.read(type, id)
        # The history may hold a copy of the current version, or of one that a crash kept from becoming current.
        if current is None or version >= current.version:
            return current if current and current.version == version else None
        with answering():
            document = await self._layout.history(type).find_one({"_id": history_key(id, version)})
        return None if document is None else stored(type, id, document)

    async def history(
        self,
        type: str,
        id: str,
        *,
        before: int | None = None,
        after: int = 0,
        low: int = 0,
        high: int = LAST_SEQUENCE,
        oldest_first: bool = False,
        limit: int,
    ) -> list[Stored]:
        """Return up to `limit` versions above `after` and below `before`, newest first unless told.

        Only those with low <= sequence < high.
        """
        current = await self.read(type, id)
        if current is None or limit < 1:
            return []
        end = current.version if before is None else min(before, current.version)
        wanted = (before is None or current.version < before) and current.version > after
        last = [current] if wanted and low <= current.sequence < high else []
        missing = limit if oldest_first else limit - len(last)
        superseded: list[Stored] = []
        if missing and end > after + 1:
            condition: Document = {"_id": {"$gte": history_key(id, after + 1), "$lt": history_key(id, end)}}
            if low or high != LAST_SEQUENCE:
                condition["s"] = {"$gte": low, "$lt": high}
            with answering():
                cursor = self._layout.history(type).find(condition).sort("_id", 1 if oldest_first else -1)
                documents = await collected(cursor.limit(missing))
            superseded = [stored(type, id, document) for document in documents]
        return [*superseded, *last][:limit] if oldest_first else [*last, *superseded]


async def fetch(type: str, collection: Collection, ids: Iterable[str]) -> dict[str, Stored]:
    """Return the current versions of `ids` that exist, in one query."""
    wanted = list(ids)
    if not wanted:
        return {}
    key = wanted[0] if len(wanted) == 1 else {"$in": wanted}
    with answering():
        cursor = collection.find({"_id": key}, VERSION_PROJECTION, batch_size=len(wanted) + 1)
        documents: list[Document] = await cursor.to_list()
    return {document["_id"]: stored(type, document["_id"], document) for document in documents}
