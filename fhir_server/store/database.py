"""The store: resources in a MongoDB replica set, read and written in groups.

https://hl7.org/fhir/R4/http.html — and https://www.mongodb.com/docs/manual/core/read-isolation-consistency-recency/

Writes are acknowledged when a majority has them in its journal, reads see what a majority has, and both go
to the primary: who was told that a write is stored reads it at once, and it survives the loss of a member.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from secrets import token_bytes
from types import TracebackType
from typing import Any, Self

from pymongo import AsyncMongoClient, ReadPreference, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConfigurationError, PyMongoError, ServerSelectionTimeoutError
from pymongo.server_type import SERVER_TYPE

from fhir_server.store.changes import Changes
from fhir_server.store.closures import Closures
from fhir_server.store.concepts import Concepts
from fhir_server.store.documents import NODES, Put
from fhir_server.store.failures import BadAddress, NotReplicaSet, answering
from fhir_server.store.indexing import Indexing
from fhir_server.store.jobs import Jobs
from fhir_server.store.layout import Document, Layout
from fhir_server.store.packages import Packages
from fhir_server.store.processes import Processes
from fhir_server.store.queries import Queries
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


class Store(Reads, Queries, Changes):
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
        Reads.__init__(self, layout)
        Queries.__init__(self, layout, limits.query)
        Changes.__init__(self, layout, limits.query)
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
    """Return the store in `database` at `uri`; raise BadAddress, NotReplicaSet or Unavailable.

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
    try:
        return AsyncMongoClient(uri, **options)
    except (ConfigurationError, ValueError):  # whose texts may quote the address
        raise BadAddress(
            "The address of the MongoDB cannot be read: write mongodb://USER:PASSWORD@HOST/?replicaSet=rs0, with"
            " %40 for @, %2F for /, %3A for : and %25 for % in user and password"
        ) from None


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
