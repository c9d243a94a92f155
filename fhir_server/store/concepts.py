"""Concepts of large code systems, one document each, so that no process holds them all.

https://hl7.org/fhir/R4/codesystem.html

    concepts_[key]    {_id: code, as it is compared, c: code, n: order, d: display, j: JSON, r: parents,
                       a: itself and what is above it, p: ["property=value"], t: folded words,
                       f: first day, u: last day, i: inactive, b: abstract}
    concepts_built    {_id: key, of: resource, parts: versions, n: number of concepts, done, until,
                       timed, inactive, abstract, left}

A key names the content of a code system: the versions of the resources that it is made of. Its rows never change, so
they are derived when first needed, by one process that holds a claim; until `done` nobody answers from them. Each key
has a collection of its own: an index is made at the end, in one go, and what is superseded is dropped as a whole.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import orjson
from pymongo import ASCENDING, IndexModel

from fhir_server import wire
from fhir_server.store.failures import answering, inserting
from fhir_server.store.gathering import Gatherer
from fhir_server.store.layout import Collection, Document, Layout
from terminology import conditions
from terminology.concepts import Concept
from terminology.conditions import Condition, pairs_of

CLAIM: Final = 60_000  # milliseconds; without a sign of life another process may go on
LINGER: Final = 3_600_000  # milliseconds; rows of superseded content stay for those who still read them
_ALIVE: Final[Document] = {"$set": {"until": {"$add": ["$$NOW", CLAIM]}}}
TOGETHER: Final = 32  # questions for rows in one query
_INDEXES: Final = tuple(
    IndexModel([(field, ASCENDING), *more], name=name)
    for name, field, more in (
        ("order", "n", []),
        ("above", "a", [("n", ASCENDING)]),
        ("properties", "p", [("n", ASCENDING)]),
        ("words", "t", []),
    )
)


@dataclass(frozen=True, slots=True)
class Built:
    """What is known of the rows of one key: whether they are all there, and what occurs in them at all."""

    done: bool
    number: int = 0
    timed: bool = True
    inactive: bool = True
    abstract: bool = True


class Concepts:
    """The concepts of one database; no question takes longer than `milliseconds`."""

    def __init__(self, layout: Layout, milliseconds: int):
        self._database = layout.database
        self._states = layout.database["concepts_built"]
        self._milliseconds = milliseconds
        self._gatherer: Gatherer[tuple[str, tuple[str, ...]], list[Document]] = Gatherer(self._found, TOGETHER)

    def _rows(self, key: str) -> Collection:
        return self._database[f"concepts_{key}"]

    async def finished(self) -> set[str]:
        """Return the parts of everything whose rows are complete."""
        with answering():
            states = await self._states.find({"done": True}, {"parts": 1}).to_list()
        return {part for state in states for part in state.get("parts", ())}

    async def built(self, key: str) -> Built | None:
        """Return how far the rows of `key` are; None when nobody began."""
        with answering():
            state = await self._states.find_one({"_id": key})
        if state is None:
            return None
        return Built(
            bool(state.get("done")),
            state.get("n", 0),
            state.get("timed", True),
            state.get("inactive", True),
            state.get("abstract", True),
        )

    async def claim(self, key: str, of: str, parts: Sequence[str] = ()) -> bool:
        """Return whether the caller is to build the rows of `key`: nobody did, and nobody is at it.

        `of` names the resource whose versions supersede each other, `parts` the versions themselves. Time is the
        database's, so that the clocks of processes need not agree.
        """
        with answering():
            begun = {"of": of, "parts": list(parts), "until": datetime(1970, 1, 1, tzinfo=UTC)}
            await self._states.update_one({"_id": key}, {"$setOnInsert": begun}, upsert=True)
            taken = await self._states.update_one(
                {"_id": key, "done": {"$ne": True}, "$expr": {"$lt": ["$until", "$$NOW"]}}, [_ALIVE]
            )
        return taken.modified_count == 1

    async def add(self, key: str, ids: Sequence[str], concepts: Sequence[Concept]) -> None:
        """Store the rows of some concepts, whose `ids` are unique; those that are there already stay as they are."""
        rows = await asyncio.to_thread(_documents, ids, concepts)  # requests have their turn meanwhile
        with inserting():
            await self._rows(key).insert_many(rows, ordered=False)
        with answering():
            await self._states.update_one({"_id": key}, [_ALIVE])

    async def finish(self, key: str, of: str, facts: Built) -> None:
        """Index the rows of `key` and say that they are complete; other versions of `of` are dropped after a while."""
        told: Document = {
            "done": True,
            "n": facts.number,
            "timed": facts.timed,
            "inactive": facts.inactive,
            "abstract": facts.abstract,
        }
        others: Document = {"of": of, "_id": {"$ne": key}}
        old: Document = {**others, "$expr": {"$lt": ["$left", {"$subtract": ["$$NOW", LINGER]}]}}
        with answering():
            await self._rows(key).create_indexes(list(_INDEXES))
            await self._states.update_one({"_id": key}, {"$set": told, "$unset": {"until": "", "left": ""}})
            await self._states.update_many({**others, "left": {"$exists": False}}, [{"$set": {"left": "$$NOW"}}])
            gone = [state["_id"] for state in await self._states.find({**old, "left": {"$exists": True}}).to_list()]
            for each in gone:
                await self._rows(each).drop()
                await self._states.delete_one({"_id": each})

    async def find(self, key: str, ids: Iterable[str]) -> dict[str, Concept]:
        """Return the concepts that exist, by the id that they were stored under."""
        wanted = tuple(dict.fromkeys(ids))
        if not wanted:
            return {}
        return {row["_id"]: concept(row) for row in await self._gatherer.ask((key, wanted))}

    async def _found(self, questions: Sequence[tuple[str, tuple[str, ...]]]) -> list[list[Document]]:
        """Answer several questions for rows, those of one key by one query."""
        wanted: dict[str, dict[str, None]] = {}
        for key, ids in questions:
            wanted.setdefault(key, {}).update(dict.fromkeys(ids))
        found = dict(zip(wanted, await asyncio.gather(*map(self._of_ids, wanted, wanted.values())), strict=True))
        return [[found[key][id] for id in ids if id in found[key]] for key, ids in questions]

    async def _of_ids(self, key: str, ids: Iterable[str]) -> dict[str, Document]:
        with answering():
            cursor = self._rows(key).find({"_id": {"$in": list(ids)}}, max_time_ms=self._milliseconds)
            return {row["_id"]: row for row in await cursor.to_list()}

    async def select(self, key: str, condition: Condition, *, skip: int = 0, limit: int = 0) -> list[Concept]:
        """Return the concepts that satisfy a settled condition, in the order of the code system; raise TooCostly."""
        with answering():
            cursor = self._rows(key).find(
                asked(condition),
                sort=[("n", ASCENDING)],
                skip=skip,
                limit=limit,
                max_time_ms=self._milliseconds,
            )
            return [concept(row) for row in await cursor.to_list()]

    async def page(self, key: str, condition: Condition, skip: int, limit: int) -> tuple[int, list[Concept]]:
        """Return how many concepts satisfy a settled condition, and as `select` some of them, found by one look.

        For conditions that no index answers in the order of the code system. Raise TooCostly.
        """
        first = {"$topN": {"n": skip + limit, "sortBy": {"n": 1}, "output": "$_id"}}
        grouped: Document = {"_id": None, "number": {"$sum": 1}, **({"first": first} if limit else {})}
        with answering():
            steps = [{"$match": asked(condition)}, {"$group": grouped}]
            cursor = await self._rows(key).aggregate(steps, maxTimeMS=self._milliseconds)
            found = await cursor.to_list()
        if not found:
            return 0, []
        ids = found[0].get("first", [])[skip:]
        rows = await self._of_ids(key, ids) if ids else {}
        return found[0]["number"], [concept(rows[id]) for id in ids]

    async def count(self, key: str, condition: Condition) -> int:
        """Return how many concepts satisfy a settled condition; raise TooCostly."""
        with answering():
            return await self._rows(key).count_documents(asked(condition), maxTimeMS=self._milliseconds)

    async def inner(self, key: str) -> list[str]:
        """Return the codes that have others below; raise TooCostly."""
        steps: list[Document] = [{"$unwind": "$r"}, {"$group": {"_id": "$r"}}]
        with answering():
            cursor = await self._rows(key).aggregate(steps, maxTimeMS=self._milliseconds)
            return sorted([row["_id"] async for row in cursor])

    async def children(self, key: str, code: str, limit: int) -> list[Concept]:
        """Return up to `limit` concepts directly below `code`, in order."""
        with answering():
            cursor = self._rows(key).find({"a": code, "r": code}, sort=[("n", ASCENDING)], limit=limit)
            return [concept(row) for row in await cursor.to_list()]


def _documents(ids: Sequence[str], concepts: Sequence[Concept]) -> list[Document]:
    return [row(id, concept) for id, concept in zip(ids, concepts, strict=True)]


def row(id: str, concept: Concept) -> Document:
    """Return the document of a concept."""
    document: Document = {
        "_id": id,
        "c": concept.code,
        "n": concept.order,
        "j": wire.dumps(concept.json),
        "a": [concept.code, *sorted(concept.ancestors)],
        "t": list(concept.words),
    }
    further: Document = {
        "d": concept.display,
        "r": list(concept.parents),
        "p": [f"{name}={value}" for name, value in sorted(pairs_of(concept))],
        "f": concept.since.isoformat() if concept.since != date.min else None,
        "u": concept.until.isoformat() if concept.until != date.max else None,
        "i": concept.inactive,
        "b": concept.abstract,
    }
    return document | {name: value for name, value in further.items() if value}


def concept(document: Document) -> Concept:
    """Return the concept of a document."""
    said: bytes = document["j"]
    return Concept(
        wire.loads(said) if b'"valueDecimal"' in said else orjson.loads(said),  # the one type with digits to keep
        document["n"],
        tuple(document.get("r", ())),
        frozenset(document["a"]) - {document["c"]},
    )


def asked(condition: Condition) -> Document:  # noqa: C901 — one case for each condition
    """Return the MongoDB condition that the row of a concept satisfies exactly when the concept satisfies `condition`.

    The condition is settled.
    """
    match condition:
        case conditions.Codes(codes):
            return {"c": {"$in": list(codes)}}
        case conditions.Below(code, own):
            return {"a": code} if own else {"a": code, "c": {"$ne": code}}
        case conditions.Equals(property, values):
            return {"p": {"$in": [f"{property}={value}" for value in values]}}
        case conditions.Exists("display"):
            return {"d": {"$exists": True}}
        case conditions.Exists(property):
            return {"p": {"$elemMatch": {"$gte": f"{property}=", "$lt": f"{property}>"}}}  # ">" follows "="
        case conditions.Matches(property, pattern):
            return _matches(property, pattern)
        case conditions.Display(text):
            return {"d": text}
        case conditions.Holds(on):
            day = on.isoformat()
            return {"f": {"$not": {"$gt": day}}, "u": {"$not": {"$lt": day}}}
        case conditions.Active():
            return {"i": {"$ne": True}}
        case conditions.Selectable():
            return {"b": {"$ne": True}}
        case conditions.Words(words):
            return {"$and": [{"t": {"$regex": f"^{re.escape(word)}"}} for word in words]} if words else {}
        case conditions.Every(parts):
            return {"$and": [asked(part) for part in parts]} if parts else {}
        case conditions.Some(parts):
            return {"$or": [asked(part) for part in parts]} if parts else {"_id": {"$in": []}}
        case conditions.Not(part):
            return {"$nor": [asked(part)]}
        case _:
            raise ValueError("the condition is not settled")


def _matches(property: str, pattern: str) -> Document:
    conditions.compiled(pattern)  # else it is refused before the database sees it
    fields = {"code": "c", "display": "d"}
    if property in fields:
        return {fields[property]: {"$regex": f"\\A(?:{pattern})\\z"}}
    return {"p": {"$regex": f"\\A{re.escape(property)}=(?:{pattern})\\z"}}
