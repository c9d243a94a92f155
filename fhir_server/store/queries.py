"""Searching current versions: pages by keyset cursor, counts, ids and index entries.

https://hl7.org/fhir/R4/search.html#sort and https://hl7.org/fhir/R4/http.html#paging

A page begins where a key ends, not at an offset: the cursor is stateless and deep pages cost as much as the first.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from bson.max_key import MaxKey

from fhir_server.store.documents import VERSION_PROJECTION, Stored, stored
from fhir_server.store.explaining import Cost, explain
from fhir_server.store.failures import answering
from fhir_server.store.gathering import Gatherer
from fhir_server.store.layout import Document, Layout
from fhir_server.store.weighing import collected

Condition = Mapping[str, Any]
Key = tuple[Any, ...]  # the sort values (str, or None for "missing"), then the sequence
ID = "_id"

TOGETHER = 16  # lookups in one query; more gain nothing
POINTS = 64  # places in the index that a lookup may ask for

_ALIVE: Document = {"d": {"$exists": False}}
_POSITIVE = ("$in", "$elemMatch", "$eq", "$all", "$gt", "$gte", "$lt", "$lte")


@dataclass(frozen=True, slots=True)
class SortKey:
    """Order by the smallest (ascending) or the largest (descending) entry that starts with `prefix`.

    Of these only such as hold `mark`. Resources without such an entry come last either way. The prefix `ID` orders by
    the resource id instead.
    """

    prefix: str
    descending: bool
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A match, and the key after which the next page begins."""

    stored: Stored
    key: Key
    entries: tuple[str, ...] = ()  # its index entries, when asked for


class Lookup(NamedTuple):
    """A page of the resources that satisfy `condition`."""

    condition: Document
    limit: int
    order: Document | None  # None: any
    fields: Document  # the projection


class Queries:
    """Searches of one database; none of them takes longer than `milliseconds`."""

    def __init__(self, layout: Layout, milliseconds: int):
        self._layout = layout
        self._milliseconds = milliseconds
        self._looking: dict[str, Gatherer[Lookup, list[Document]]] = {}

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
        if limit < 1:
            return []
        if after is not None and len(after) != len(sort) + 1:
            raise ValueError("the key was made by a search that sorts otherwise")
        if sort:
            return await self._sorted(type, condition, sort, after, limit, newest_first, entries)
        terms = [alive(condition)]
        if after is not None:
            terms.append({"s": {"$lt" if newest_first else "$gt": after[0]}})
        lookup = Lookup(_all(terms), limit, {"s": -1 if newest_first else 1}, _projection(entries))
        documents = await self._look(type, lookup, is_point(condition))
        return [_found(type, document, ()) for document in documents]

    async def _look(self, type: str, lookup: Lookup, together: bool) -> list[Document]:
        if not together:
            return await self._alone(type, lookup)
        gatherer = self._looking.get(type)
        if gatherer is None:
            gatherer = self._looking[type] = Gatherer(partial(self._each, type), TOGETHER)
        return await gatherer.ask(lookup)

    async def _alone(self, type: str, lookup: Lookup) -> list[Document]:
        with answering():
            cursor = self._layout.current(type).find(
                lookup.condition,
                lookup.fields,
                sort=lookup.order,
                limit=lookup.limit,
                batch_size=lookup.limit + 1,
                max_time_ms=self._milliseconds,
            )
            return await collected(cursor)

    async def _each(self, type: str, lookups: Sequence[Lookup]) -> list[list[Document]]:
        """Answer several lookups in one query: a union of what each of them finds, asked once when they are equal."""
        different: list[Lookup] = []
        for lookup in lookups:
            if lookup not in different:
                different.append(lookup)
        if len(different) == 1:
            return [await self._alone(type, different[0])] * len(lookups)
        collection = self._layout.current(type)
        first, *others = (_stages(lookup, number) for number, lookup in enumerate(different))
        union = [{"$unionWith": {"coll": collection.name, "pipeline": stages}} for stages in others]
        found: list[list[Document]] = [[] for _ in different]
        with answering():
            cursor = await collection.aggregate(
                [*first, *union],
                batchSize=sum(lookup.limit for lookup in different) + 1,
                maxTimeMS=self._milliseconds,
            )
            for document in await cursor.to_list():
                found[document["n"]].append(document)
        return [found[different.index(lookup)] for lookup in lookups]

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
        if sort:
            _, stages = _pipeline(condition, sort, None, limit, newest_first, False)
            command: Document = {"aggregate": {"pipeline": stages, "cursor": {}}}
        else:
            order = {"s": -1 if newest_first else 1}
            command = {"find": {"filter": alive(condition), "sort": order, "limit": limit}}
        with answering():
            return await explain(self._layout.current(type), command, self._milliseconds)

    async def count(self, type: str, condition: Condition, *, limit: int | None = None) -> int:
        """Return the number of matches, `limit` when there are at least that many; raise TooCostly."""
        if condition or limit is not None:
            return await self._count(type, alive(condition), limit)
        # Both from an index alone: looking for "not deleted" would read every resource.
        return await self._count(type, {"s": {"$gte": 0}}) - await self._count(type, {"d": True})

    async def ids(self, type: str, condition: Condition, *, limit: int) -> list[str]:
        """Return the ids of up to `limit` matches, in no order; raise TooCostly."""
        lookup = Lookup(alive(condition), limit, None, {"_id": 1})
        return [document["_id"] for document in await self._look(type, lookup, is_point(condition))]

    async def versions(self, type: str, condition: Condition, *, limit: int) -> list[tuple[str, int]]:
        """Return id and version of up to `limit` matches of a narrow condition, in no order; raise TooCostly."""
        lookup = Lookup(alive(condition), limit, None, {"_id": 1, "v": 1})
        return [(document["_id"], document["v"]) for document in await self._look(type, lookup, together=True)]

    async def entries(self, type: str, condition: Condition, prefix: str, *, limit: int) -> list[str]:
        """Return up to `limit` different index entries of the matches that start with `prefix`; raise TooCostly."""
        stages: list[Document] = [
            {"$match": alive(condition)},
            {"$project": {"_id": 0, "ix": _starting(prefix)}},
            {"$unwind": "$ix"},
            {"$group": {"_id": "$ix"}},
            {"$limit": limit},
        ]
        with answering():
            cursor = await self._layout.current(type).aggregate(stages, maxTimeMS=self._milliseconds)
            return [document["_id"] for document in await cursor.to_list()]

    async def _count(self, type: str, condition: Document, limit: int | None = None) -> int:
        options: dict[str, Any] = {"maxTimeMS": self._milliseconds}
        if limit is not None:
            options["limit"] = limit
        with answering():
            return await self._layout.current(type).count_documents(condition, **options)

    async def _sorted(
        self,
        type: str,
        condition: Condition,
        sort: Sequence[SortKey],
        after: Key | None,
        limit: int,
        newest_first: bool,
        entries: bool,
    ) -> list[Found]:
        keys, stages = _pipeline(condition, sort, after, limit, newest_first, entries)
        with answering():
            cursor = await self._layout.current(type).aggregate(
                stages, batchSize=limit + 1, maxTimeMS=self._milliseconds
            )
            documents = await collected(cursor)
        return [_found(type, document, keys) for document in documents]


def _pipeline(
    condition: Condition, sort: Sequence[SortKey], after: Key | None, limit: int, newest_first: bool, entries: bool
) -> tuple[list[str], list[Document]]:
    """Return the fields that hold the sort keys, and the pipeline that sorts by them."""
    keys = [f"k{position}" for position in range(len(sort))]
    order = {key: -1 if by.descending else 1 for key, by in zip(keys, sort, strict=True)}
    order["s"] = -1 if newest_first else 1
    stages: list[Document] = [
        {"$match": alive(condition)},
        {"$project": _projection(entries) | {key: _value(by) for key, by in zip(keys, sort, strict=True)}},
    ]
    if after is not None:
        stages.append({"$match": {"$expr": _beyond(order, after)}})
    return keys, [*stages, {"$sort": order}, {"$limit": limit}]


def is_point(condition: Condition) -> bool:
    """Return whether `condition` asks for few places in the index, so that its matches come at once and in order."""
    wanted = condition.get("ix") if len(condition) == 1 else None
    places = wanted.get("$in") if isinstance(wanted, Mapping) and len(wanted) == 1 else None
    return isinstance(wanted, str) or (isinstance(places, list) and len(places) <= POINTS)


def _stages(lookup: Lookup, number: int) -> list[Document]:
    return [
        {"$match": lookup.condition},
        *([{"$sort": lookup.order}] if lookup.order else []),
        {"$limit": lookup.limit},
        {"$project": lookup.fields | {"n": {"$literal": number}}},
    ]


def _projection(entries: bool) -> Document:
    return VERSION_PROJECTION | {"ix": 1} if entries else VERSION_PROJECTION


def _found(type: str, document: Document, keys: Sequence[str]) -> Found:
    key = (*(_missing_as_none(document[key]) for key in keys), document["s"])
    return Found(stored(type, document["_id"], document), key, tuple(document.get("ix", ())))


def alive(condition: Condition) -> Document:
    """Return `condition` narrowed to resources that are not deleted.

    A tombstone has no entries: where an entry must be there the narrowing is left out, for it would make
    a count read every match instead of the index alone.
    """
    return dict(condition) if _needs_an_entry(condition) else _all([_ALIVE, condition])


def _needs_an_entry(condition: Condition) -> bool:
    wanted = condition.get("ix")
    if isinstance(wanted, str) or (isinstance(wanted, Mapping) and any(operator in wanted for operator in _POSITIVE)):
        return True
    return any(_needs_an_entry(part) for part in condition.get("$and", ()))


def _all(terms: Sequence[Condition]) -> Document:
    kept = [dict(term) for term in terms if term]
    return kept[0] if len(kept) == 1 else {"$and": kept}


def _value(key: SortKey) -> Document | str:
    """Return the expression of a resource's place under `key`: missing sorts after everything in both directions."""
    if key.prefix == ID:
        return "$_id"
    entries = _starting(key.prefix, key.mark)
    if key.descending:
        return {"$ifNull": [{"$max": entries}, None]}  # null is below every string
    return {"$ifNull": [{"$min": entries}, MaxKey()]}


def _starting(prefix: str, mark: str = "") -> Document:
    """Return the expression of a resource's entries that start with `prefix` and hold `mark`."""
    beyond = prefix + chr(sys.maxunicode)
    bounds: list[Document] = [{"$gte": ["$$entry", {"$literal": prefix}]}, {"$lt": ["$$entry", {"$literal": beyond}]}]
    if mark:
        bounds.append({"$gte": [{"$indexOfBytes": ["$$entry", {"$literal": mark}]}, 0]})
    return {"$filter": {"input": {"$ifNull": ["$ix", []]}, "as": "entry", "cond": {"$and": bounds}}}


def _beyond(order: Mapping[str, int], after: Key) -> Document:
    """Return the expression "comes after `after`": greater in the first key that differs."""
    branches: list[Document] = []
    equal: list[Document] = []
    for (key, direction), value in zip(order.items(), after, strict=True):
        here = {"$literal": MaxKey() if value is None and direction > 0 else value}
        branches.append({"$and": [*equal, {"$gt" if direction > 0 else "$lt": [f"${key}", here]}]})
        equal.append({"$eq": [f"${key}", here]})
    return {"$or": branches}


def _missing_as_none(value: Any) -> str | None:
    return None if isinstance(value, MaxKey) else value
