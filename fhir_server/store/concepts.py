"""Concepts of large code systems, one document each, so that no process holds them all.

https://hl7.org/fhir/R4/codesystem.html

    concepts          {_id: "key\\tcode", k: key, c: code, n: order, d: display, j: JSON, r: parents,
                       a: itself and what is above it, p: ["property=value"], t: folded words,
                       f: first day, u: last day, i: inactive, b: abstract}
    concepts_built    {_id: key, of: resource, parts: versions, n: number of concepts, done, until,
                       timed, inactive, abstract, left}

A key names the content of a code system: the versions of the resources that it is made of. Its rows never change, so
they are derived when first needed, by one process that holds a claim; until `done` nobody answers from them.
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
from fhir_server.store.layout import Document, Layout
from terminology import conditions
from terminology.concepts import Concept
from terminology.conditions import Condition, pairs_of

CLAIM: Final = 60_000  # milliseconds; without a sign of life another process may go on
LINGER: Final = 3_600_000  # milliseconds; rows of superseded content stay for those who still read them
_ALIVE: Final[Document] = {"$set": {"until": {"$add": ["$$NOW", CLAIM]}}}
TOGETHER: Final = 32  # questions for rows in one query
_INDEXES: Final = tuple(
    IndexModel([("k", ASCENDING), (field, ASCENDING), *more], name=name)
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
        self._rows = layout.database["concepts"]
        self._states = layout.database["concepts_built"]
        self._milliseconds = milliseconds
        self._gatherer: Gatherer[tuple[str, ...], list[Document]] = Gatherer(self._found, TOGETHER)

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
            await self._rows.create_indexes(list(_INDEXES))
            begun = {"of": of, "parts": list(parts), "until": datetime(1970, 1, 1, tzinfo=UTC)}
            await self._states.update_one({"_id": key}, {"$setOnInsert": begun}, upsert=True)
            taken = await self._states.update_one(
                {"_id": key, "done": {"$ne": True}, "$expr": {"$lt": ["$until", "$$NOW"]}}, [_ALIVE]
            )
        return taken.modified_count == 1

    async def add(self, key: str, ids: Sequence[str], concepts: Sequence[Concept]) -> None:
        """Store the rows of some concepts, whose `ids` are unique; those that are there already stay as they are."""
        rows = await asyncio.to_thread(_rows, key, ids, concepts)  # requests have their turn meanwhile
        with inserting():
            await self._rows.insert_many(rows, ordered=False)
        with answering():
            await self._states.update_one({"_id": key}, [_ALIVE])

    async def finish(self, key: str, of: str, facts: Built) -> None:
        """Say that the rows of `key` are complete; clear away other versions of the resource `of`, after a while."""
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
            await self._states.update_one({"_id": key}, {"$set": told, "$unset": {"until": "", "left": ""}})
            await self._states.update_many({**others, "left": {"$exists": False}}, [{"$set": {"left": "$$NOW"}}])
            gone = [state["_id"] for state in await self._states.find({**old, "left": {"$exists": True}}).to_list()]
            if gone:
                await self._states.delete_many({"_id": {"$in": gone}})
                await self._rows.delete_many({"k": {"$in": gone}})

    async def find(self, key: str, ids: Iterable[str]) -> dict[str, Concept]:
        """Return the concepts that exist, by the id that they were stored under."""
        wanted = {f"{key}\t{id}": id for id in ids}
        if not wanted:
            return {}
        rows = await self._gatherer.ask(tuple(wanted))
        return {wanted[row["_id"]]: concept(row) for row in rows}

    async def _found(self, questions: Sequence[tuple[str, ...]]) -> list[list[Document]]:
        """Answer several questions for rows by one query."""
        ids = list(dict.fromkeys(id for question in questions for id in question))
        with answering():
            cursor = self._rows.find({"_id": {"$in": ids}}, max_time_ms=self._milliseconds)
            rows = {row["_id"]: row for row in await cursor.to_list()}
        return [[rows[id] for id in question if id in rows] for question in questions]

    async def select(
        self, key: str, condition: Condition, *, skip: int = 0, limit: int = 0, ids: Sequence[str] | None = None
    ) -> list[Concept]:
        """Return the concepts that satisfy a settled condition, in the order of the code system; raise TooCostly.

        With `ids` only those stored under them are looked at.
        """
        with answering():
            cursor = self._rows.find(
                _within(key, condition, ids),
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
            steps = [{"$match": _within(key, condition, None)}, {"$group": grouped}]
            cursor = await self._rows.aggregate(steps, maxTimeMS=self._milliseconds)
            found = await cursor.to_list()
        if not found:
            return 0, []
        ids = found[0].get("first", [])[skip:]
        rows = (await self._found([tuple(ids)]))[0] if ids else []
        return found[0]["number"], [concept(row) for row in rows]

    async def count(self, key: str, condition: Condition, ids: Sequence[str] | None = None) -> int:
        """Return how many concepts satisfy a settled condition; raise TooCostly."""
        with answering():
            return await self._rows.count_documents(_within(key, condition, ids), maxTimeMS=self._milliseconds)

    async def children(self, key: str, code: str, limit: int) -> list[Concept]:
        """Return up to `limit` concepts directly below `code`, in order."""
        with answering():
            cursor = self._rows.find({"k": key, "a": code, "r": code}, sort=[("n", ASCENDING)], limit=limit)
            return [concept(row) for row in await cursor.to_list()]


def _rows(key: str, ids: Sequence[str], concepts: Sequence[Concept]) -> list[Document]:
    return [row(key, id, concept) for id, concept in zip(ids, concepts, strict=True)]


def row(key: str, id: str, concept: Concept) -> Document:
    """Return the document of a concept."""
    document: Document = {
        "_id": f"{key}\t{id}",
        "k": key,
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


def _within(key: str, condition: Condition, ids: Sequence[str] | None) -> Document:
    terms: list[Document] = [{"k": key}, asked(condition)]
    if ids is not None:
        terms.append({"_id": {"$in": [f"{key}\t{id}" for id in ids]}})
    return {"$and": [term for term in terms if term]}


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
