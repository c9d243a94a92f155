"""What the processes on one database agree on: which definitions are in force, who is there, who changes packages.

https://www.mongodb.com/docs/manual/reference/aggregation-variables/ — times are those of the database: `$$NOW`

    definitions   {_id: "current", n: generation, change: {owner, until}}
    processes     {_id: node, generation, environment, seen}

Every commit that writes a definition counts the generation up in the same transaction, so that nobody misses one,
whatever dies. A process tells again and again which generation it works by; one that could not for a while must not
write any more, for the others take it for dead.
"""

import asyncio
from typing import Any, NamedTuple

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.outcome import Unavailable
from fhir_server.store.failures import answering

Document = dict[str, Any]

ALIVE = 60  # seconds after which a process that is not heard of counts as dead
SILENT = 30  # seconds after which a process that could not make itself heard stops writing
_CURRENT = {"_id": "current"}


class Generation(NamedTuple):
    """Which definitions are in force."""

    number: int
    changing: bool  # somebody is changing a package: what is stored of it is not whole


class Processes:
    """The processes on one database; `node` is this one."""

    def __init__(self, database: AsyncDatabase[Document], node: int):
        self._definitions = database["definitions"]
        self._processes = database["processes"]
        self._node = node
        self._told: float | None = None  # when this process was last heard; None: it never told
        self.heard = 0  # the newest generation that this process itself committed

    async def prepare(self) -> None:
        """Make the counter, so that transactions meet it."""
        with answering():
            await self._definitions.update_one(_CURRENT, {"$setOnInsert": {"n": 1}}, upsert=True)

    async def count(self, session: AsyncClientSession) -> int:
        """Count the generation up inside the transaction of `session`; return it."""
        document = await self._definitions.find_one_and_update(
            _CURRENT, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER, session=session
        )
        assert document is not None  # an upsert always has an "after"
        return int(document["n"])

    def hear(self, number: int) -> None:
        """Note that this process has committed generation `number`."""
        self.heard = max(self.heard, number)

    async def current(self) -> Generation:
        """Return the generation in force."""
        changing = {"$gt": ["$change.until", "$$NOW"]}
        with answering():
            found = await self._definitions.find_one(_CURRENT, {"n": 1, "changing": changing})
        return Generation(found["n"], found["changing"]) if found else Generation(0, False)

    async def change(self, owner: str, seconds: int) -> bool:
        """Take, or keep, the right to change packages for `seconds`; return False while somebody else has it."""
        free = {"$or": [{"$eq": ["$change.owner", owner]}, {"$not": {"$gt": ["$change.until", "$$NOW"]}}]}
        until = {"$add": ["$$NOW", 1000 * seconds]}
        with answering():
            done = await self._definitions.update_one(
                {**_CURRENT, "$expr": free}, [{"$set": {"change": {"owner": owner, "until": until}}}]
            )
        return done.matched_count == 1

    async def changed(self, owner: str) -> None:
        """Give the right to change packages back, and let every process look at what is stored now."""
        with answering():
            document = await self._definitions.find_one_and_update(
                {**_CURRENT, "change.owner": owner},
                {"$unset": {"change": True}, "$inc": {"n": 1}},
                return_document=ReturnDocument.AFTER,
            )
        if document is not None:
            self.hear(int(document["n"]))

    async def arrive(self) -> None:
        """Tell the others to wait for this process: it is about to look which definitions are in force."""
        await self._say(0, "")

    async def tell(self, generation: int, environment: str) -> None:
        """Tell the others that this process is there, and that no request of it works by an older generation."""
        begun = asyncio.get_running_loop().time()
        await self._say(generation, environment)
        self._told = begun

    async def _say(self, generation: int, environment: str) -> None:
        said: Document = {"generation": generation, "environment": environment, "seen": "$$NOW"}
        with answering():
            await self._processes.update_one({"_id": self._node}, [{"$set": said}], upsert=True)

    async def leave(self) -> None:
        """Tell the others that this process is no longer there."""
        self._told = None
        with answering():
            await self._processes.delete_one({"_id": self._node})

    async def behind(self, generation: int, environment: str) -> int:
        """Return how many living processes work by an older generation than this, or with other settings.

        Those that are long dead are forgotten.
        """
        dead = {"$lt": ["$seen", {"$subtract": ["$$NOW", 1000 * ALIVE]}]}
        late = {"$or": [{"generation": {"$lt": generation}}, {"environment": {"$ne": environment}}]}
        with answering():
            await self._processes.delete_many({"$expr": dead})
            return await self._processes.count_documents(late)

    @property
    def silent(self) -> bool:
        """True when the others may take this process for dead."""
        return self._told is not None and asyncio.get_running_loop().time() - self._told > SILENT

    def require(self) -> None:
        """Raise Unavailable when the others may take this process for dead: what it wrote might not be found."""
        if self.silent:
            raise Unavailable(
                "This server has not reached its database for a while; nothing was stored: send the request again",
                "Máy chủ này mất kết nối với cơ sở dữ liệu một lúc; chưa có gì được lưu: hãy gửi lại yêu cầu",
            )
