"""Code systems as sources of concepts: small ones from memory, large ones from the rows of the database.

https://hl7.org/fhir/R4/codesystem.html
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from fhir_server.interactions import canonicals, indexing
from fhir_server.interactions.canonicals import Candidate
from fhir_server.outcome import Issue, TooCostly, Unavailable, Unprocessable
from fhir_server.server import Context
from fhir_server.store.concepts import Built, Concepts
from terminology import conditions, systems
from terminology.concepts import Concept
from terminology.conditions import ALL, Below, Condition, Equals, Every, Exists, Not, Some
from terminology.supplements import additions, supplemented
from terminology.systems import Head, System
from terminology.valuesets import codes_of

Json = dict[str, Any]

INLINE: Final = 5_000  # concepts of a code system that a client sends along
CHILDREN: Final = 1_000  # that a lookup lists
_COUNTS: Final = 1_000  # conditions of which one code system remembers how many concepts satisfy them
_WAITS: Final = 25  # times that a request asks whether another process is done, before it gives up
_PAUSE: Final = 0.2  # seconds between


class Page(list[Concept]):
    """Some of the concepts that satisfy a condition; `total` says how many there are."""

    def __init__(self, concepts: Iterable[Concept], total: int):
        super().__init__(concepts)
        self.total = total


class Source(Protocol):
    """A code system that can be asked."""

    head: Head

    async def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        """Return the concepts of those `codes` that exist, by the code as asked."""

    async def settled(self, condition: Condition) -> Condition:
        """Return `condition` ready to be tried on concepts; raise Unprocessable when it asks for what nobody has."""

    async def select(self, condition: Condition, skip: int, limit: int) -> Page:
        """Return concepts that satisfy a settled condition, in the order of the code system; raise TooCostly."""

    async def children(self, code: str) -> list[Concept]:
        """Return concepts directly below `code`."""


class Resident:
    """A code system in memory."""

    def __init__(self, system: System):
        self.head = system.head
        self._system = system

    async def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        return self._system.find(codes)

    async def settled(self, condition: Condition) -> Condition:
        if strange := self.head.undeclared(condition) - self._system.used:
            raise _strange(self.head, strange)
        return self._system.settled(condition)

    def supplemented(self, added: Mapping[str, Json]) -> "Resident":
        """Return the code system with what supplements add: it is found by that too."""
        return Resident(System(self.head, [supplemented(each, added) for each in self._system.concepts.values()]))

    async def select(self, condition: Condition, skip: int, limit: int) -> Page:
        found = self._system.select(condition)
        return Page(found[skip : skip + limit], len(found))

    async def children(self, code: str) -> list[Concept]:
        return self._system.children(code)[:CHILDREN]


class Rows:
    """A code system in the database."""

    def __init__(self, head: Head, key: str, built: Built, store: Concepts):
        self.head = head
        self._key = key
        self._built = built
        self._store = store
        self._numbers: dict[Condition, int] = {ALL: built.number}

    async def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        wanted = {code: self.head.key(code) for code in codes}
        found = await self._store.find(self._key, dict.fromkeys(wanted.values()))
        return {code: found[id] for code, id in wanted.items() if id in found}

    async def settled(self, condition: Condition) -> Condition:
        for name in self.head.undeclared(condition):
            if not await self._store.select(self._key, Exists(name), limit=1):
                raise _strange(self.head, {name})
        wanted = conditions.asked(condition, exact=self.head.case_sensitive)
        found = await self.find(wanted.codes) if wanted.codes else {}
        inner = await self._store.inner(self._key) if wanted.leaves else []
        return conditions.settled(condition, found.get, lambda: inner)

    async def select(self, condition: Condition, skip: int, limit: int) -> Page:
        wanted = self._simplified(condition)
        if not isinstance(wanted, Below | Equals) and wanted != ALL:  # no index has these in order
            total, found = await self._store.page(self._key, wanted, skip, limit)
            return Page(found, total)
        chosen = self._store.select(self._key, wanted, skip=skip, limit=limit) if limit else _nothing()
        total, found = await asyncio.gather(self._number(wanted), chosen)
        return Page(found, total)

    async def children(self, code: str) -> list[Concept]:
        return await self._store.children(self._key, code, CHILDREN)

    async def _number(self, wanted: Condition) -> int:
        """Return how many satisfy a condition: rows never change, so it is counted once."""
        if wanted not in self._numbers:
            if len(self._numbers) >= _COUNTS:
                self._numbers.clear()
            self._numbers[wanted] = await self._store.count(self._key, wanted)
        return self._numbers[wanted]

    def _simplified(self, condition: Condition) -> Condition:
        """Leave out what is true of every concept: a count need not read them then."""
        match condition:
            case conditions.Holds() if not self._built.timed:
                return ALL
            case conditions.Active() if not self._built.inactive:
                return ALL
            case conditions.Selectable() if not self._built.abstract:
                return ALL
            case Every(parts):
                return conditions.every(self._simplified(part) for part in parts)
            case Some(parts):
                return conditions.some(self._simplified(part) for part in parts)
            case Not(part):
                return Not(self._simplified(part))
            case _:
                return condition


class Supplemented:
    """A code system in the database with what supplements add: it is shown, but not selected by."""

    def __init__(self, known: Source, added: Mapping[str, Json]):
        self.head = known.head
        self._known = known
        self._added = added

    async def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        return {code: supplemented(each, self._added) for code, each in (await self._known.find(codes)).items()}

    async def settled(self, condition: Condition) -> Condition:
        return await self._known.settled(condition)

    async def select(self, condition: Condition, skip: int, limit: int) -> Page:
        found = await self._known.select(condition, skip, limit)
        return Page([supplemented(each, self._added) for each in found], found.total)

    async def children(self, code: str) -> list[Concept]:
        return [supplemented(each, self._added) for each in await self._known.children(code)]


class Listed:
    """A code system of which not everything, or nothing, is known: what a value set says of its codes counts too."""

    def __init__(self, url: str, known: Source | None, listed: Mapping[str, Json]):
        self.head = Head(url, complete=False) if known is None else known.head
        self._known = known
        self._listed = listed

    async def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        wanted = list(codes)
        said = {code: Concept({**self._listed[code], "code": code}, 0) for code in wanted if code in self._listed}
        return said if self._known is None else {**said, **await self._known.find(wanted)}

    async def settled(self, condition: Condition) -> Condition:
        return condition if self._known is None else await self._known.settled(condition)

    async def select(self, condition: Condition, skip: int, limit: int) -> Page:
        raise ValueError("what is not listed is not known")

    async def children(self, code: str) -> list[Concept]:
        return [] if self._known is None else await self._known.children(code)


def _strange(head: Head, properties: Iterable[str]) -> Unprocessable:
    names = ", ".join(sorted(properties))[:200]
    known = ", ".join(sorted({*conditions.OF_EVERY, *head.properties, *head.filters}))[:400]
    en = f"The code system {head.shown} has no property {names}: a filter may use {known}"
    vi = f"Hệ mã {head.shown} không có thuộc tính {names}: bộ lọc có thể dùng {known}"
    return Unprocessable(en, issues=[Issue("error", "not-supported", en, vi)])


async def _nothing() -> list[Concept]:
    return []


async def page(source: Source, condition: Condition, skip: int, limit: int) -> Page:
    """Return concepts that satisfy a condition, in the order in which it lists them, else of the code system."""
    condition = await source.settled(condition)
    listed = codes_of(condition)
    if listed is None:
        return await source.select(condition, skip, limit)
    holds = conditions.predicate(condition)
    found = await source.find(listed)
    kept = [concept for code in listed if (concept := found.get(code)) is not None and holds(concept)]
    return Page(kept[skip : skip + limit], len(kept))


def given(resource: Json) -> Source:
    """Return the code system that a client sent along; raise TooCostly when it is large."""
    system = systems.read([resource])
    if len(system.concepts) > INLINE:
        raise TooCostly(
            f"A code system sent along may have {INLINE} concepts: store this one first, then name its url",
            f"Hệ mã gửi kèm tối đa {INLINE} khái niệm: hãy lưu hệ mã này trước rồi dùng url của nó",
        )
    return Resident(system)


async def source(ctx: Context, url: str, version: str | None = None) -> Source | None:
    """Return the code system `url` in `version` (None: the best there is); None when it is not known here.

    What active supplements that are stored add to its concepts is part of it.
    """
    candidates = await canonicals.named(ctx, "CodeSystem", url)
    best = canonicals.chosen(candidates, version)
    if best is None:
        return None
    found, added = await asyncio.gather(
        of_candidate(ctx, best, candidates), canonicals.supplements(ctx, url, best.version)
    )
    parts = indexing.together(best, candidates)
    return _supplemented(ctx, found, parts, added) if added else found


def _supplemented(ctx: Context, known: Source, parts: Sequence[Candidate], added: Sequence[Candidate]) -> Source:
    key = ("supplemented", *(each.key for each in (*parts, *added)))
    kept = ctx.server.vocabulary.kept
    found: Source | None = kept.get(key)
    if found is None:
        more = additions(each.resource for each in added)
        found = known.supplemented(more) if isinstance(known, Resident) else Supplemented(known, more)
        kept.put(key, found, sum(each.size for each in (*parts, *added) if not each.large))
    return found


async def of_candidate(ctx: Context, best: Candidate, candidates: Sequence[Candidate]) -> Source:
    """Return the code system that `best` is, or is a part of."""
    parts = indexing.together(best, candidates)
    key = indexing.named(parts)
    kept = ctx.server.vocabulary.kept
    found: Source | None = kept.get(("source", key))
    if found is None:
        size = sum(part.size for part in parts)
        if size > canonicals.LARGE:
            found = await _rows(ctx, key, parts)
            size = len(key)
        else:
            found = Resident(systems.read([part.resource for part in parts]))
        kept.put(("source", key), found, size)
    return found


async def _rows(ctx: Context, key: str, parts: Sequence[Candidate]) -> Source:
    """Return the rows of a large code system, deriving them when nobody did; raise Unavailable while another does."""
    store = ctx.server.store.concepts
    for _ in range(_WAITS):
        built = await store.built(key)
        if built is not None and built.done:
            shells = [part.resource for part in parts]
            head = systems.whole(systems.head(shells), built.number, shells)
            return Rows(head, key, built, store)
        if await indexing.claimed(ctx, key, parts):
            ctx.server.background.begin(indexing.derive(ctx, key, parts))
        await asyncio.sleep(_PAUSE)
    url = parts[0].resource.get("url", "")
    raise Unavailable(
        f"The concepts of {url} are being indexed: ask again in a moment",
        f"Các khái niệm của {url} đang được lập chỉ mục: hãy hỏi lại sau ít giây",
    )
