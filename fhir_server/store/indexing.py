"""By which search parameters the stored resources can be found: recorded for each type, made true by a job.

https://hl7.org/fhir/R4/searchparameter.html · https://www.mongodb.com/docs/manual/reference/aggregation-variables/

    indexing   {_id: type, generation, wanted: [rule], built: [rule], open, forced, lease: {owner, until},
                job: {after, done, total, failed: [id], started}, last: {done, finished}}

A *rule* is a text that says how one parameter is indexed. `wanted` are the rules by which resources of the type are
written since `generation`; `built` those that every stored one obeys. While they differ the type is `open`: a job goes
through its resources in the order of their ids. Whoever holds the lease works; the place is kept after each page, so
that another process goes on when it dies.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import InsertOne, UpdateOne

from fhir_server.store.failures import answering, inserting
from fhir_server.store.layout import Document, Layout

LEASE = 6  # seconds for which a process may work without renewing
_PAGE = {"v": 1, "s": 1, "raw": 1, "ix": 1, "p": 1}
_IDLE: Document = {"job": "$$REMOVE", "lease": "$$REMOVE", "forced": "$$REMOVE"}


@dataclass(frozen=True, slots=True)
class Job:
    """How far the job of a type is."""

    after: str  # the id up to which it is done
    done: int
    total: int  # as estimated when it began
    failed: tuple[str, ...]  # ids of resources that could not be indexed
    started: datetime


@dataclass(frozen=True, slots=True)
class State:
    """How the resources of a type are indexed."""

    generation: int
    wanted: frozenset[str]
    built: frozenset[str]
    open: bool
    job: Job | None = None
    finished: datetime | None = None  # when the last job ended
    done: int = 0  # resources of the last job


@dataclass(frozen=True, slots=True)
class Entry:
    """A current version and what it is found by."""

    id: str
    version: int
    sequence: int
    raw: bytes
    entries: tuple[str, ...]
    patient: str | None


class Indexing:
    """The state of the index of one database."""

    def __init__(self, layout: Layout, milliseconds: int):
        self._layout = layout
        self._states = layout.database["indexing"]
        self._milliseconds = milliseconds

    async def states(self, *, open: bool = False, types: Iterable[str] = ()) -> dict[str, State]:
        """Return the state of every type; with `open` only of those that are open, and of `types`."""
        condition: Document = {"$or": [{"open": True}, {"_id": {"$in": list(types)}}]} if open else {}
        with answering():
            documents = await self._states.find(condition).to_list()
        return {document["_id"]: _state(document) for document in documents}

    async def begin(self, wanted: Mapping[str, Iterable[str]], generation: int) -> None:
        """Record the rules of types of which nothing is recorded yet: true at once when none is stored."""
        if not wanted:
            return
        with answering():
            names = await self._layout.database.list_collection_names()
        operations = []
        for type in sorted(wanted):
            rules = sorted(wanted[type])
            empty = type not in names or await self._empty(type)
            built = rules if empty else []
            operations.append(
                InsertOne(
                    {"_id": type, "generation": generation, "wanted": rules, "built": built, "open": built != rules}
                )
            )
        with inserting():
            await self._states.bulk_write(operations, ordered=False)

    async def _empty(self, type: str) -> bool:
        with answering():
            return await self._layout.current(type).find_one({}, {"_id": 1}) is None

    async def want(self, wanted: Mapping[str, Iterable[str]], generation: int) -> None:
        """Record the rules by which resources are written from now on; before the first is written by them.

        What is no longer wanted is no longer built either: resources written from now on do not obey it. A process
        that is behind changes nothing.
        """
        operations = []
        for type, each in wanted.items():
            rules = {"$literal": sorted(each)}
            kept: Document = {"$setIntersection": ["$built", rules]}
            change: list[Document] = [
                {"$set": {"generation": generation, "wanted": rules, "built": kept, **_IDLE}},
                {"$set": {"open": {"$not": {"$setEquals": ["$built", "$wanted"]}}}},
            ]
            operations.append(UpdateOne({"_id": type, "generation": {"$lte": generation}}, change))
        if operations:
            with answering():
                await self._states.bulk_write(operations, ordered=False)

    async def force(self, types: Iterable[str]) -> None:
        """Have the index of `types` made anew, from the beginning; it can be searched meanwhile."""
        with answering():
            await self._states.update_many(
                {"_id": {"$in": list(types)}}, [{"$set": {**_IDLE, "open": True}}, {"$set": {"forced": True}}]
            )

    async def lease(self, type: str, owner: str) -> bool:
        """Take, or keep, the work on `type`; return False while somebody else has it, or it is done."""
        free = {"$or": [{"$eq": ["$lease.owner", owner]}, {"$not": {"$gt": ["$lease.until", "$$NOW"]}}]}
        until = {"$add": ["$$NOW", 1000 * LEASE]}
        with answering():
            done = await self._states.update_one(
                {"_id": type, "open": True, "$expr": free}, [{"$set": {"lease": {"owner": owner, "until": until}}}]
            )
        return done.matched_count == 1

    async def release(self, type: str, owner: str) -> None:
        """Let somebody else work on `type`."""
        with answering():
            await self._states.update_one({"_id": type, "lease.owner": owner}, {"$unset": {"lease": True}})

    async def start(self, type: str, owner: str) -> Job | None:
        """Return the job of `type`, begun now unless it was before; None when its lease is somebody else's."""
        with answering():
            total = await self._layout.current(type).estimated_document_count()
            begun: Document = {"after": "", "done": 0, "total": total, "failed": [], "started": "$$NOW"}
            document = await self._states.find_one_and_update(
                {"_id": type, "lease.owner": owner},
                [{"$set": {"job": {"$ifNull": ["$job", begun]}}}],
                return_document=True,
            )
        return None if document is None else _state(document).job

    async def advance(self, type: str, owner: str, job: Job) -> bool:
        """Keep how far the job is and its lease; return False when it is somebody else's, or there is none any more."""
        place: Document = {"job.after": {"$literal": job.after}, "job.done": job.done}
        place["job.failed"] = {"$literal": list(job.failed)}
        until = {"$add": ["$$NOW", 1000 * LEASE]}
        with answering():
            done = await self._states.update_one(
                {"_id": type, "lease.owner": owner, "job.started": job.started},
                [{"$set": {**place, "lease.until": until}}],
            )
        return done.matched_count == 1

    async def finish(self, type: str, owner: str, wanted: Iterable[str]) -> bool:
        """Record that every resource of `type` obeys the rules `wanted`; return False unless they still are wanted."""
        rules = sorted(wanted)
        last: Document = {"done": "$job.done", "finished": "$$NOW"}
        with answering():
            done = await self._states.update_one(
                {"_id": type, "lease.owner": owner, "wanted": rules},
                [{"$set": {"built": "$wanted", "open": False, "last": last}}, {"$set": _IDLE}],
            )
        return done.matched_count == 1

    async def fail(self, type: str, owner: str) -> None:
        """End a job that could not index every resource: its rules stay unbuilt until it is forced or they change."""
        with answering():
            await self._states.update_one(
                {"_id": type, "lease.owner": owner}, [{"$set": {"open": False, "lease": "$$REMOVE"}}]
            )

    async def page(self, type: str, after: str, limit: int) -> list[Entry]:
        """Return up to `limit` current versions with an id above `after`, by id."""
        with answering():
            cursor = self._layout.current(type).find(
                {"_id": {"$gt": after}, "d": {"$exists": False}},
                _PAGE,
                sort=[("_id", 1)],
                limit=limit,
                batch_size=limit + 1,
                max_time_ms=self._milliseconds,
            )
            documents = await cursor.to_list()
        return [_entry(document) for document in documents]

    async def rewrite(self, type: str, changes: Sequence[Entry]) -> None:
        """Give each version other entries, unless it is superseded meanwhile: its successor has its own."""
        operations = []
        for each in changes:
            fields: Document = {"ix": list(each.entries)}
            gone: Document = {}
            (fields if each.patient is not None else gone)["p"] = each.patient
            operations.append(
                UpdateOne(
                    {"_id": each.id, "v": each.version, "s": each.sequence},
                    {"$set": fields, **({"$unset": gone} if gone else {})},
                )
            )
        if operations:
            with answering():
                await self._layout.current(type).bulk_write(operations, ordered=False)


def _state(document: Mapping[str, Any]) -> State:
    job, last = document.get("job"), document.get("last", {})
    return State(
        generation=document["generation"],
        wanted=frozenset(document["wanted"]),
        built=frozenset(document["built"]),
        open=document["open"],
        job=None if job is None else Job(job["after"], job["done"], job["total"], tuple(job["failed"]), job["started"]),
        finished=last.get("finished"),
        done=last.get("done", 0),
    )


def _entry(document: Mapping[str, Any]) -> Entry:
    return Entry(
        document["_id"],
        document["v"],
        document["s"],
        document["raw"],
        tuple(document.get("ix", ())),
        document.get("p"),
    )
