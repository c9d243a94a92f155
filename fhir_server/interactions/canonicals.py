"""Definitions by canonical URL: which resource, of those stored and of those that ship, a URL means at this moment.

https://hl7.org/fhir/R4/references.html#canonical

What is stored is asked for on each request, so that an upload through any process is in effect at once; only what was
read of a version stays in memory, for a version never changes.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from fhir_server import wire
from fhir_server.definitions.versions import natural
from fhir_server.definitions.vocabulary import Shipped
from fhir_server.outcome import TooCostly
from fhir_server.search import plan, query
from fhir_server.search.parameters import Catalogue
from fhir_server.server import Context
from fhir_server.store import Stored
from terminology import concepts, implicit

Json = dict[str, Any]

MOST: Final = 200  # stored resources with the same canonical URL
LARGE: Final = 256 * 1024  # bytes of JSON; the concepts of a code system beyond are not kept in memory
BLOCKING: Final = 1024 * 1024  # bytes of JSON; more is read in a thread
_DIGITS: Final = re.compile(rb"[:\[,]\s*(?:-|\d+[.eE]|\d{19})")  # perhaps a number that is not a small integer
_ANY: Final = datetime.min.replace(tzinfo=UTC)  # the moment of a query without dates


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resource that a canonical URL may mean. Of a large CodeSystem `resource` is all but the concepts."""

    key: str  # names its content
    resource: Json
    size: int  # bytes of JSON
    id: str | None = None  # under which it is stored; None: it ships
    sequence: int = 0  # of a stored version: larger is later
    number: int = 0  # of the concepts, those of a CodeSystem that are left out here

    @property
    def version(self) -> str | None:
        """The business version."""
        return self.resource.get("version")

    @property
    def large(self) -> bool:
        """Whether it is a code system whose concepts are left out here."""
        return self.resource["resourceType"] == "CodeSystem" and self.size > LARGE


def split(canonical: str) -> tuple[str, str | None]:
    """Return URL and version of a canonical: `url|version`."""
    url, _, version = canonical.partition("|")
    return url, version or None


async def named(ctx: Context, type: str, url: str) -> list[Candidate]:
    """Return the resources of `type` with this canonical URL, the one to prefer first."""
    stored, shipped = await asyncio.gather(_stored(ctx, type, url), _shipped(ctx, type, url))
    implied = implicit.value_set(url) if type == "ValueSet" and not stored else None
    if implied is not None:
        return [Candidate(f"implied {url}", implied, len(url))]
    return sorted([*stored, *shipped], key=_rank, reverse=True)


async def find(ctx: Context, type: str, url: str, version: str | None = None) -> Candidate | None:
    """Return the resource that a canonical URL and version mean; None when there is none."""
    return chosen(await named(ctx, type, url), version)


def chosen(candidates: Sequence[Candidate], version: str | None) -> Candidate | None:
    """Return the best of `candidates` that has `version` (None: any)."""
    return next((each for each in candidates if version in (None, each.version)), None)


def _rank(candidate: Candidate) -> tuple[bool, bool, bool, tuple[tuple[int, int, str], ...], int]:
    """Complete before partial, uploaded before shipped, active before others, then the newest version."""
    resource = candidate.resource
    return (
        resource.get("content", "complete") == "complete",
        candidate.id is not None,
        resource.get("status") == "active",
        natural(candidate.version or ""),
        candidate.sequence,
    )


async def supplements(ctx: Context, url: str, version: str | None) -> list[Candidate]:
    """Return the active supplements that are stored for the code system `url` in `version`, the earliest first."""
    found = await _stored(ctx, "CodeSystem", url, parameter="supplements")
    meant = [
        each
        for each in found
        if each.resource.get("status") == "active"
        and not each.large
        and split(each.resource["supplements"])[1] in (None, version)
    ]
    return sorted(meant, key=lambda each: each.sequence)


async def _stored(ctx: Context, type: str, url: str, *, parameter: str = "url") -> list[Candidate]:
    condition = _called(ctx.server.indexer.catalogue, type, parameter, url)
    if condition is None:
        return []
    heads = await ctx.server.store.versions(type, condition, limit=MOST + 1)
    if len(heads) > MOST:
        raise TooCostly(
            f"More than {MOST} {type} resources are called {url}: remove old ones",
            f"Có hơn {MOST} tài nguyên {type} cùng tên {url}: hãy xóa bớt bản cũ",
        )
    kept = ctx.server.vocabulary.kept
    found = {(id, version): kept.get((type, id, version)) for id, version in heads}
    missing = [(type, id) for (id, _), candidate in found.items() if candidate is None]
    read = await ctx.server.store.read_many(missing) if missing else {}
    fresh = await asyncio.gather(*(of_stored(ctx, stored) for stored in read.values() if stored.raw is not None))
    return [*(candidate for candidate in found.values() if candidate is not None), *fresh]


async def of_stored(ctx: Context, stored: Stored) -> Candidate:
    """Return a stored version as candidate."""
    kept = ctx.server.vocabulary.kept
    key = (stored.type, stored.id, stored.version)
    candidate: Candidate | None = kept.get(key)
    if candidate is None:
        raw = stored.raw or b"{}"
        resource = await _parsed(raw)
        named = f"{stored.type}/{stored.id}/{stored.version}"
        left = _kept(resource, raw)
        number = 0 if left is resource else concepts.number(resource)
        candidate = Candidate(named, left, len(raw), stored.id, stored.sequence, number)
        kept.put(key, candidate, LARGE // 8 if candidate.large else len(raw))
    return candidate


async def of_id(ctx: Context, type: str, id: str, version: int) -> Candidate | None:
    """Return a stored version as candidate; None when it is not the current one any more."""
    candidate: Candidate | None = ctx.server.vocabulary.kept.get((type, id, version))
    if candidate is not None:
        return candidate
    stored = (await ctx.server.store.read_many([(type, id)])).get((type, id))
    return None if stored is None or stored.raw is None or stored.version != version else await of_stored(ctx, stored)


async def _shipped(ctx: Context, type: str, url: str) -> list[Candidate]:
    vocabulary = ctx.server.vocabulary
    found: list[Candidate] | None = vocabulary.kept.get((type, url))
    if found is None:
        rows = await asyncio.to_thread(vocabulary.named, type, url)
        found = [await _of_shipped(row) for row in rows]
        vocabulary.kept.put((type, url), found, sum(LARGE // 8 if row.large else row.size for row in found) + len(url))
    return found


async def _of_shipped(row: Shipped) -> Candidate:
    return Candidate(row.key, _kept(await _parsed(row.raw), row.raw), len(row.raw))


async def _parsed(raw: bytes) -> Json:
    # Where no number has digits that could be lost, reading takes a tenth of the time; what is stored is good JSON.
    read = wire.loads if len(raw) <= LARGE or _DIGITS.search(raw) else orjson.loads
    parsed: Json = await asyncio.to_thread(read, raw) if len(raw) > BLOCKING else read(raw)
    return parsed


def _kept(resource: Json, raw: bytes) -> Json:
    if resource["resourceType"] == "CodeSystem" and len(raw) > LARGE:
        return {name: value for name, value in resource.items() if name not in {"concept", "text"}}
    return resource


async def whole(ctx: Context, candidate: Candidate) -> Json | None:
    """Return the resource of `candidate` with everything in it; None when it is not there any more."""
    if not candidate.large:
        return candidate.resource
    type, url = candidate.resource["resourceType"], candidate.resource["url"]
    if candidate.id is None:
        shipped = await asyncio.to_thread(ctx.server.vocabulary.named, type, url)
        return await _parsed(next(row.raw for row in shipped if row.key == candidate.key))
    version = int(candidate.key.rpartition("/")[2])
    stored = await ctx.server.store.vread(type, candidate.id, version)
    return None if stored is None or stored.raw is None else await _parsed(stored.raw)


@lru_cache(maxsize=512)
def _called(catalogue: Catalogue, type: str, parameter: str, url: str) -> Json | None:
    """Return the database condition that the resources satisfy whose `parameter` is this canonical URL."""
    value = "".join(f"\\{character}" if character in "\\,|$" else character for character in url)
    return plan.to_filter(plan.plan(query.parse(catalogue, type, [(parameter, value)], now=_ANY), catalogue), {})


async def closure(ctx: Context, value_set: Json, imports: Any, most: int) -> dict[str, Json]:
    """Return every value set that `value_set` imports, directly or not, by the canonical it is named by.

    `imports` says which canonicals a value set names. Those that are not known are left out; raise TooCostly when
    there are more than `most`.
    """
    found: dict[str, Json] = {}
    waiting: Iterable[str] = imports(value_set)
    while waiting := [canonical for canonical in dict.fromkeys(waiting) if canonical not in found]:
        if len(found) + len(waiting) > most:
            raise TooCostly(
                f"The value set is made of more than {most} others: make it simpler",
                f"Tập giá trị gồm hơn {most} tập khác: hãy làm đơn giản hơn",
            )
        read = await asyncio.gather(*(find(ctx, "ValueSet", *split(canonical)) for canonical in waiting))
        known = {canonical: each for canonical, each in zip(waiting, read, strict=True) if each is not None}
        found |= {canonical: each.resource for canonical, each in known.items()}
        waiting = [url for each in known.values() for url in imports(each.resource)]
    return found
