"""The store: resources in a MongoDB replica set, read and written in groups.

https://hl7.org/fhir/R4/http.html — and https://www.mongodb.com/docs/manual/core/read-isolation-consistency-recency/

Writes are acknowledged when a majority has them in its journal, reads see what a majority has, and both go
to the primary: who was told that a write is stored reads it at once, and it survives the loss of a member.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from secrets import token_bytes
from types import TracebackType
from typing import Any, Self

from pymongo import AsyncMongoClient, ReadPreference, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.server_type import SERVER_TYPE

from fhir_server.store.changes import Changes, Version
from fhir_server.store.closures import Closures
from fhir_server.store.concepts import Concepts
from fhir_server.store.documents import LAST_SEQUENCE, NODES, Put, Stored
from fhir_server.store.explaining import Cost
from fhir_server.store.failures import NotReplicaSet, answering
from fhir_server.store.indexing import Indexing
from fhir_server.store.jobs import Jobs
from fhir_server.store.layout import Document, Layout
from fhir_server.store.packages import Packages
from fhir_server.store.processes import Processes
from fhir_server.store.queries import Condition, Found, Key, Queries, SortKey
from fhir_server.store.reads import Reads
from fhir_server.store.register import Certificate, Register, Withdrawal
from fhir_server.store.transactions import Transactions
from fhir_server.store.writes import Writes

_REMEDY = (
    "start every member with `mongod --replSet rs0` and run `rs.initiate()` once in mongosh;"
    " a single member is enough to begin with"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the store: times in milliseconds, sizes in writes."""

    query: int = 10_000  # a search that takes longer is refused as too costly
    selection: int = 5_000  # how long to look for a primary
    acknowledgement: int = 10_000  # how long to wait until a majority has a write
    transaction: int = 10_000  # how long to repeat a transaction that others disturb
    waiting: int = 4_096  # writes that wait; more are refused
    group: int = 256  # writes that go together
    transactions: int = 8  # multi-document transactions at the same time
    connections: int = 64


class Store:
    """One database of a replica set; made by `connect`, to be closed.

    `node` is a number for a Clock: different for each of the last thousand stores connected to this database.
    """

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        database: str,
        node: int,
        limits: Limits,
        counted: frozenset[str] = frozenset(),
    ):
        self.node = node
        self._client = client
        self._database = database
        self.register = Register(client[database])
        self.jobs = Jobs(client[database])
        self.closures = Closures(client[database])
        layout = Layout(client[database])
        self._reads = Reads(layout)
        self._queries = Queries(layout, limits.query)
        self._changes = Changes(layout, limits.query)
        self.concepts = Concepts(layout, limits.query)
        self.indexing = Indexing(layout, limits.query)
        self.packages = Packages(layout, limits.query)
        self.processes = Processes(layout.database, node)
        self._counted = counted
        self._counting = asyncio.Lock()  # those that count would only disturb each other
        self._writes = Writes(layout, waiting=limits.waiting, group=limits.group)
        self._transactions = Transactions(
            layout, together=limits.transactions, waiting=limits.waiting, seconds=limits.transaction / 1000
        )

    async def read(self, type: str, id: str) -> Stored | None:
        """Return the current version, which may say "deleted"; None when there never was one."""
        return await self._reads.read(type, id)

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Stored]:
        """Return the current versions of the (type, id) that exist: one query per type."""
        return await self._reads.read_many(keys)

    async def vread(self, type: str, id: str, version: int) -> Stored | None:
        """Return version `version`, current or superseded; None when there is none."""
        return await self._reads.vread(type, id, version)

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
        return await self._reads.history(
            type, id, before=before, after=after, low=low, high=high, oldest_first=oldest_first, limit=limit
        )

    async def types(self) -> list[str]:
        """Return the types of which something was ever stored."""
        return await self._changes.types()

    async def newest(self, types: Sequence[str]) -> int:
        """Return the largest sequence among the versions of `types`, 0 when there is none."""
        return await self._changes.newest(types)

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
        return await self._changes.page(types, low=low, high=high, oldest_first=oldest_first, limit=limit)

    async def successors(self, versions: Iterable[Stored]) -> dict[Version, int]:
        """Return the sequence of the next version of each of `versions` that has one, by (type, id, version)."""
        return await self._changes.successors(versions)

    async def write(self, put: Put) -> None:
        """Store `put`; raise VersionConflict, ClaimTaken, TooLarge or Unavailable."""
        await self.commit([put])

    async def commit(
        self, puts: Sequence[Put], *, issued: Sequence[Certificate] = (), withdrawn: Withdrawal | None = None
    ) -> None:
        """Store all `puts` or nothing; raise VersionConflict, ClaimTaken, TooLarge or Unavailable.

        With them, all or nothing too, the certificates `issued`, and what is `withdrawn`.
        """
        self.processes.require()
        counted = not self._counted.isdisjoint(put.new.type for put in puts)
        if issued or withdrawn:
            await self.register.ensure()
        if issued or withdrawn or counted:
            generation = 0

            async def also(session: AsyncClientSession) -> None:
                nonlocal generation
                if withdrawn:
                    await self.register.withdraw_within(withdrawn, session)
                if issued:
                    await self.register.add_within(issued, session)
                if counted:
                    generation = await self.processes.count(session)

            async with self._counting if counted else nullcontext():
                await self._transactions.commit(puts, also)
            self.processes.hear(generation)
        elif len(puts) == 1:
            await self._writes.write(puts[0])
        elif puts:
            await self._transactions.commit(puts)

    async def find(
        self,
        type: str,
        condition: Condition,
        *,
        sort: Sequence[SortKey] = (),
        after: Key | None = None,
        limit: int,
        newest_first: bool = True,
        entries: bool = False,
    ) -> list[Found]:
        """Return up to `limit` matches that are not deleted, after the key `after`; raise TooCostly.

        They come by `sort`, then by sequence: newest first unless told otherwise; with their index entries if asked.
        """
        return await self._queries.find(
            type, condition, sort=sort, after=after, limit=limit, newest_first=newest_first, entries=entries
        )

    async def explain(
        self,
        type: str,
        condition: Condition,
        *,
        sort: Sequence[SortKey] = (),
        limit: int,
        newest_first: bool = True,
    ) -> Cost:
        """Return what the database does for the first page of such a search, and how much it examines."""
        return await self._queries.explain(type, condition, sort=sort, limit=limit, newest_first=newest_first)

    async def count(self, type: str, condition: Condition, *, limit: int | None = None) -> int:
        """Return the number of matches, `limit` when there are at least that many; raise TooCostly."""
        return await self._queries.count(type, condition, limit=limit)

    async def ids(self, type: str, condition: Condition, *, limit: int) -> list[str]:
        """Return the ids of up to `limit` matches, in no order; raise TooCostly."""
        return await self._queries.ids(type, condition, limit=limit)

    async def versions(self, type: str, condition: Condition, *, limit: int) -> list[tuple[str, int]]:
        """Return id and version of up to `limit` matches of a narrow condition, in no order; raise TooCostly."""
        return await self._queries.versions(type, condition, limit=limit)

    async def entries(self, type: str, condition: Condition, prefix: str, *, limit: int) -> list[str]:
        """Return up to `limit` different index entries of the matches that start with `prefix`; raise TooCostly."""
        return await self._queries.entries(type, condition, prefix, limit=limit)

    async def secret(self, name: str) -> bytes:
        """Return 32 random bytes, the same in every process on this database; made when first asked for."""
        with answering():
            kept = await self._client[self._database]["secrets"].find_one_and_update(
                {"_id": name},
                {"$setOnInsert": {"bytes": token_bytes(32)}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            assert kept is not None  # an upsert always has an "after"
            return bytes(kept["bytes"])

    async def ping(self) -> None:
        """Return when the primary answers; raise Unavailable."""
        with answering():
            await self._client.admin.command("ping", read_preference=ReadPreference.PRIMARY)

    async def close(self) -> None:
        """Wait for the writes under way, then close the connections."""
        await self._writes.close()
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def connect(
    uri: str, database: str = "fhir", limits: Limits | None = None, counted: frozenset[str] = frozenset()
) -> Store:
    """Return the store in `database` at `uri`; raise NotReplicaSet or Unavailable.

    Commits of resources whose types are `counted` count up the generation of the definitions.
    """
    limits = limits or Limits()
    client = _client(uri, limits)
    try:
        await _require_replica_set(client)
        with answering():
            node = await _next_node(client, database)
    except BaseException:
        await client.close()
        raise
    return Store(client, database, node, limits, counted)


def _client(uri: str, limits: Limits) -> AsyncMongoClient[Document]:
    options: dict[str, Any] = {
        "appname": "fhir-server",
        "serverSelectionTimeoutMS": limits.selection,
        "connectTimeoutMS": limits.selection,
        # A member that hangs must not hang the server: longer than any answer may take, but not forever.
        "socketTimeoutMS": max(limits.query, limits.acknowledgement) + limits.selection,
        "waitQueueTimeoutMS": limits.selection,
        "maxPoolSize": limits.connections,
        "w": "majority",
        "journal": True,
        "wTimeoutMS": limits.acknowledgement,
        "readConcernLevel": "majority",
        "readPreference": "primary",
        "retryReads": True,
        "retryWrites": True,
    }
    return AsyncMongoClient(uri, **options)


async def _require_replica_set(client: AsyncMongoClient[Document]) -> None:
    try:
        with answering(PyMongoError):
            hello = await client.admin.command("hello")
    except ServerSelectionTimeoutError as error:
        members = client.topology_description.server_descriptions().values()
        if any(member.server_type == SERVER_TYPE.RSGhost for member in members):
            raise NotReplicaSet(f"The MongoDB replica set is not initiated yet: {_REMEDY}") from None
        with answering():
            raise error
    except PyMongoError as error:
        with answering():
            raise error
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise NotReplicaSet(
            f"This MongoDB is a standalone server, which has neither transactions nor majority reads: {_REMEDY}"
        )


async def _next_node(client: AsyncMongoClient[Document], database: str) -> int:
    """Return a number for this process's clock; the database counts them, so that no two get the same."""
    nodes = client[database]["nodes"]
    last: Document = await nodes.find_one_and_update(
        {"_id": "last"}, {"$inc": {"node": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )  # type: ignore[assignment]  # an upsert always has an "after"
    return int(last["node"]) % NODES
