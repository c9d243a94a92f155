"""Long work in parts: any process takes the next part, notes how far it is, and another goes on when it dies.

https://hl7.org/fhir/R4/async.html

    jobs   {_id: job, k: kind, w: what is wanted, s: state, a: begun at, n: resources in all, about, r: servers go on}
    parts  {_id: "job/number", j: job, l: low, h: high, c: done up to, x: {counts}, o: owner, u: leased until, e: ended}

A part is a range of ids, low exclusive and high inclusive. Whoever holds its lease works.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bson.codec_options import CodecOptions
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.store.failures import answering
from fhir_server.store.layout import Collection, Document

State = Literal["running", "done", "cancelled"]
LEASE = timedelta(seconds=60)
PARTS = 32
_SAMPLED = 40  # ids looked at for each part
_AT_ONCE = 100_000  # documents in the first answer of a query, which otherwise has 101 of them
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_HIGHEST = "\U0010ffff"  # above every id


@dataclass(frozen=True, slots=True)
class Part:
    """A range of ids, and how far it is."""

    id: str
    job: str
    after: str  # exclusive
    high: str  # inclusive
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: what was counted, and out of about how many resources."""

    id: str
    state: State
    wanted: Mapping[str, Any]
    begun: datetime
    total: int
    counts: Mapping[str, int]


class Jobs:
    """The jobs of one database."""

    def __init__(self, database: AsyncDatabase[Document]):
        self._database = database
        self._jobs: Collection = database.get_collection("jobs", codec_options=_AWARE)
        self._parts: Collection = database.get_collection("parts", codec_options=_AWARE)

    async def begin(
        self, id: str, kind: str, wanted: Mapping[str, Any], type: str, now: datetime, *, lasting: bool = False
    ) -> None:
        """Begin a job over the resources of `type`, cut into parts of about the same size.

        A `lasting` one is among those `abandoned` when nobody works at it any more.
        """
        with answering():
            await self._parts.create_indexes([IndexModel([("j", ASCENDING)], name="job")])
            bounds = await self._bounds(type)
            rows = [
                {"_id": f"{id}/{number:03d}", "j": id, "l": low, "h": high, "c": low, "x": {}}
                for number, (low, high) in enumerate(zip(["", *bounds], [*bounds, _HIGHEST], strict=True))
            ]
            await self._parts.insert_many(rows)
            total = await self._database[type].estimated_document_count()
            row = {"_id": id, "k": kind, "w": wanted, "s": "running", "a": now, "n": total}
            await self._jobs.insert_one(row | ({"r": True} if lasting else {}))

    async def running(self, kind: str) -> list[Progress]:
        """Return the jobs of this kind that are not ended, the oldest first."""
        with answering():
            found = await self._jobs.find({"k": kind, "s": "running"}).sort("a", 1).to_list()
        return [each for row in found if (each := await self.progress(row["_id"]))]

    async def abandoned(self, kind: str, now: datetime) -> list[tuple[str, Mapping[str, Any]]]:
        """Return id and what is wanted of the lasting jobs that are not ended and at which nobody works."""
        with answering():
            found = await self._jobs.find({"k": kind, "s": "running", "r": True}).sort("a", 1).to_list()
            leased = {"j": {"$in": [row["_id"] for row in found]}, "e": {"$exists": False}, "u": {"$gte": now}}
            busy = set(await self._parts.distinct("j", leased)) if found else set()
        return [(row["_id"], row["w"]) for row in found if row["_id"] not in busy]

    async def progress(self, id: str) -> Progress | None:
        """Return how far a job is; None when there is none."""
        with answering():
            job = await self._jobs.find_one({"_id": id})
            parts = await self._parts.find({"j": id}, {"x": 1}).to_list()
        if job is None:
            return None
        counts: dict[str, int] = {}
        for part in parts:
            for name, count in part["x"].items():
                counts[name] = counts.get(name, 0) + count
        return Progress(id, job["s"], job["w"], job["a"], job["n"], counts)

    async def take(self, job: str, owner: str, now: datetime) -> Part | None:
        """Return a part that nobody works at, leased to `owner`; None when there is none. Ends a job that is done."""
        free = {"j": job, "e": {"$exists": False}, "$or": [{"u": {"$exists": False}}, {"u": {"$lt": now}}]}
        lease = {"$set": {"o": owner, "u": now + LEASE}}
        with answering():
            if not await self._jobs.find_one({"_id": job, "s": "running"}):
                return None
            row = await self._parts.find_one_and_update(
                free, lease, sort=[("_id", 1)], return_document=ReturnDocument.AFTER
            )
            if row is None and not await self._parts.find_one({"j": job, "e": {"$exists": False}}):
                await self._jobs.update_one({"_id": job, "s": "running"}, {"$set": {"s": "done"}})
        return Part(row["_id"], job, row["c"], row["h"], row["x"]) if row else None

    async def advance(self, part: Part, owner: str, now: datetime, *, ended: bool = False) -> bool:
        """Note that `part` is done up to `after`; return False when the job was cancelled or somebody else has it."""
        change: Document = {"c": part.after, "x": dict(part.counts), "u": now + LEASE}
        if ended:
            change["e"] = now
        with answering():
            running = await self._jobs.find_one({"_id": part.job, "s": "running"}, {"_id": 1})
            done = await self._parts.update_one({"_id": part.id, "o": owner}, {"$set": change})
        return running is not None and done.matched_count == 1

    async def cancel(self, id: str) -> bool:
        """Cancel a job that runs; return whether there was one."""
        with answering():
            done = await self._jobs.update_one({"_id": id, "s": "running"}, {"$set": {"s": "cancelled"}})
        return done.matched_count == 1

    async def page(self, type: str, after: str, high: str, limit: int) -> list[tuple[str, int, bytes]]:
        """Return id, sequence and content of up to `limit` current resources above `after`, by id, to `high`."""
        condition = {"_id": {"$gt": after, "$lte": high}, "d": {"$exists": False}}
        with answering():
            cursor = self._database[type].find(condition, {"s": 1, "raw": 1}).sort("_id", 1).limit(limit)
            found = await cursor.batch_size(limit + 1).to_list()
        return [(row["_id"], row["s"], row["raw"]) for row in found]

    async def of_patients(self, type: str, entries: Sequence[str]) -> list[tuple[str, int, bytes, str | None]]:
        """Return id, sequence, content and patient (id) of every current resource that has one of `entries`."""
        with answering():
            cursor = self._database[type].find({"ix": {"$in": list(entries)}}, {"s": 1, "raw": 1, "p": 1})
            found = await cursor.batch_size(_AT_ONCE).to_list()
        return [(row["_id"], row["s"], row["raw"], row.get("p")) for row in found]

    async def sequences(self, type: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the sequence of the current version of each of `ids` that is not deleted."""
        condition = {"_id": {"$in": list(ids)}, "d": {"$exists": False}}
        with answering():
            found = await self._database[type].find(condition, {"s": 1}).batch_size(_AT_ONCE).to_list()
        return {row["_id"]: row["s"] for row in found}

    async def _bounds(self, type: str) -> list[str]:
        """Return ids that cut the resources of `type` into parts."""
        sample = [{"$sample": {"size": PARTS * _SAMPLED}}, {"$project": {"_id": 1}}, {"$sort": {"_id": 1}}]
        cursor = await self._database[type].aggregate(sample)
        ids = [row["_id"] for row in await cursor.to_list()]
        every = max(1, len(ids) // PARTS)
        return sorted(set(ids[every::every][: PARTS - 1]))
