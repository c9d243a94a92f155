"""Reading versions by id: reads that wait at the same moment become one query.

https://hl7.org/fhir/R4/http.html#read, #vread and #history

A query costs the driver and the database far more than a document in it does, so a busy server gets several
times the throughput by asking for many ids at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from fhir_server.outcome import FhirError
from fhir_server.store.documents import LAST_SEQUENCE, VERSION_PROJECTION, Stored, history_key, stored
from fhir_server.store.failures import answering
from fhir_server.store.layout import Collection, Document, Layout

_IN_FLIGHT = 2  # queries per type: one on its way to the database while the answer to another is decoded


class Reads:
    """Reads by id of one database."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._coalescers: dict[str, _Coalescer] = {}

    async def read(self, type: str, id: str) -> Stored | None:
        """Return the current version, which may say "deleted"; None when there never was one."""
        coalescer = self._coalescers.get(type)
        if coalescer is None:
            coalescer = self._coalescers[type] = _Coalescer(type, self._layout.current(type))
        return await coalescer.read(id)

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Stored]:
        """Return the current versions of the (type, id) that exist: one query per type."""
        ids: dict[str, set[str]] = defaultdict(set)
        for type, id in keys:
            ids[type].add(id)
        found = await asyncio.gather(*(fetch(type, self._layout.current(type), ids[type]) for type in ids))
        return {(version.type, version.id): version for versions in found for version in versions.values()}

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
                documents = await cursor.limit(missing).to_list()
            superseded = [stored(type, id, document) for document in documents]
        return [*superseded, *last][:limit] if oldest_first else [*last, *superseded]


class _Coalescer:
    """The reads of one type: those that wait, and the queries under way."""

    def __init__(self, type: str, collection: Collection):
        self._type = type
        self._collection = collection
        self._waiting: dict[str, list[asyncio.Future[Stored | None]]] = {}
        self._queries: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def read(self, id: str) -> Stored | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Stored | None] = loop.create_future()
        self._waiting.setdefault(id, []).append(future)
        self._schedule(loop)
        return await future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled and self._waiting and len(self._queries) < _IN_FLIGHT:
            self._scheduled = True
            loop.call_soon(self._start)  # whoever else reads in this turn of the loop comes along

    def _start(self) -> None:
        self._scheduled = False
        # A read never joins a query that is under way: it could miss what was written since that began.
        waiting, self._waiting = self._waiting, {}
        query = asyncio.create_task(self._query(waiting))
        self._queries.add(query)
        query.add_done_callback(self._ended)

    def _ended(self, query: asyncio.Task[None]) -> None:
        self._queries.discard(query)
        self._schedule(query.get_loop())

    async def _query(self, waiting: dict[str, list[asyncio.Future[Stored | None]]]) -> None:
        found: dict[str, Stored] = {}
        failure: FhirError | None = None
        try:
            found = await fetch(self._type, self._collection, waiting)
        except FhirError as error:
            failure = error
        for id, futures in waiting.items():
            for future in futures:
                if future.done():  # its reader went away
                    continue
                if failure is None:
                    future.set_result(found.get(id))
                else:
                    future.set_exception(failure)


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
