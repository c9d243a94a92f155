"""Writing many resources, all of them or none, in one multi-document transaction.

https://hl7.org/fhir/R4/http.html#transaction and https://www.mongodb.com/docs/manual/core/transactions/
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from pymongo import InsertOne, ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern

from fhir_server.store.documents import Put, current_document, history_document
from fhir_server.store.failures import answering, busy, contended
from fhir_server.store.layout import Document, Layout
from fhir_server.store.refusals import Doubt, Released, doubt, explain
from fhir_server.store.writes import replacement

_DISTURBED = "TransientTransactionError"
_UNDECIDED = "UnknownTransactionCommitResult"
_LONGEST_PAUSE = 0.2
Also = Callable[[AsyncClientSession], Awaitable[object]]  # further writes of the same transaction


class Transactions:
    """Transactions of one database: `together` at the same time, each within `seconds`, `waiting` in the queue."""

    def __init__(self, layout: Layout, *, together: int, waiting: int, seconds: float):
        self._layout = layout
        self._gate = asyncio.Semaphore(together)
        self._most = waiting
        self._count = 0
        self._seconds = seconds

    async def commit(self, puts: Sequence[Put], also: Also | None = None) -> None:
        """Store all `puts` and what `also` writes, or nothing; raise what `Writes.write` raises.

        `also` is repeated with the rest when others disturb the transaction.
        """
        if self._count >= self._most:
            raise busy()
        self._count += 1
        try:
            by_type = _by_type(puts)
            await asyncio.gather(*(self._layout.ensure(type) for type in by_type))
            async with self._gate:
                await self._repeat(by_type, also)
        finally:
            self._count -= 1

    async def _repeat(self, by_type: dict[str, list[Put]], also: Also | None) -> None:
        """Try until the transaction is committed, refused, or its time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        pause = 0.004
        while True:
            try:
                with answering(PyMongoError):
                    return await self._attempt(by_type, also, deadline)
            except Released:
                if loop.time() > deadline:
                    raise contended() from None
            except PyMongoError as error:
                with answering():
                    if not error.has_error_label(_DISTURBED):
                        raise
                    if loop.time() > deadline:
                        raise contended() from error
            # Those who collided must not collide again: each waits for another while.
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _attempt(self, by_type: dict[str, list[Put]], also: Also | None, deadline: float) -> None:
        async with self._layout.database.client.start_session() as session:
            await session.start_transaction(read_concern=ReadConcern("snapshot"))
            failed: Doubt | Exception | None = None
            try:
                for type, puts in by_type.items():
                    failed = await self._put(type, puts, session)
                    if failed is not None:
                        break
                if failed is None and also is not None:
                    await also(session)
            except BaseException:
                await session.abort_transaction()
                raise
            if failed is None:
                await _commit(session, deadline)
            else:
                await session.abort_transaction()
        if isinstance(failed, Doubt):
            [failed] = await explain(self._layout, failed.put.new.type, [failed])
            # None: the version that was missed is there by now, so a repetition tells more.
            failed = failed or Released()
        if failed is not None:
            raise failed

    async def _put(self, type: str, puts: Sequence[Put], session: AsyncClientSession) -> Doubt | Exception | None:
        """Write `puts`, all of one `type`, inside the transaction; return what was refused first."""
        updates = [put for put in puts if put.superseded is not None]
        if updates:
            copies = [history_document(put.superseded) for put in updates if put.superseded]
            await self._layout.history(type).bulk_write(
                [ReplaceOne({"_id": copy["_id"]}, copy, upsert=True) for copy in copies], session=session
            )
        # A replacement that gives up a claim comes before the write that takes it.
        ordered = [*sorted(updates, key=lambda put: len(put.claims)), *(put for put in puts if not put.superseded)]
        operations = [
            replacement(put) if put.superseded else InsertOne[Document](current_document(put)) for put in ordered
        ]
        try:
            result = await self._layout.current(type).bulk_write(operations, session=session)
        except BulkWriteError as error:
            if error.has_error_label(_DISTURBED):
                raise
            first = (error.details or {})["writeErrors"][0]
            return doubt(ordered[first["index"]], first)
        if result.matched_count < len(updates):
            return await self._unmatched(type, updates, session)
        return None

    async def _unmatched(self, type: str, updates: Sequence[Put], session: AsyncClientSession) -> Doubt | None:
        ids = [put.new.id for put in updates]
        cursor = self._layout.current(type).find({"_id": {"$in": ids}}, {"s": 1}, session=session)
        written = {document["s"] for document in await cursor.to_list()}
        return next((Doubt(put) for put in updates if put.new.sequence not in written), None)


async def _commit(session: AsyncClientSession, deadline: float) -> None:
    """Commit; ask again while nobody knows whether the commit came through (repeating it is harmless)."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label(_UNDECIDED) or loop.time() > deadline:
                raise


def _by_type(puts: Sequence[Put]) -> dict[str, list[Put]]:
    """Group by type, in one order for all transactions, so that no two of them wait for each other in a ring."""
    groups: dict[str, list[Put]] = defaultdict(list)
    for put in sorted(puts, key=lambda put: (put.new.type, put.new.id, put.new.version)):
        groups[put.new.type].append(put)
    return dict(groups)
