"""history of a resource, of a type, of the whole system: every version, deletions included, newest first unless told.

https://hl7.org/fhir/R4/http.html#history

Pages follow the sequence of the versions, which never changes: what is written meanwhile neither hides nor repeats a
version. A walk from the oldest ends at what was the newest when it began. A version that a slow writer commits late,
with a time before a page that was already read, is in no later page.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from fhir_server.interactions import cursor, subset
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.outcome import BadRequest, NotFound
from fhir_server.search import bundle, query
from fhir_server.search.query import DEFAULT_COUNT, MAX_COUNT, PRESENTATION
from fhir_server.search.types import date
from fhir_server.server import Context
from fhir_server.store import LAST_SEQUENCE, Stored, sequence_at
from fhir_server.store.documents import EPOCH, MILLISECOND

Params = list[tuple[str, str]]

SHAPES = ("_summary", "_elements")
ROUNDS = 10  # how often a page looks further when all that it found was no longer current at the time asked for


class Asked(NamedTuple):
    """What the parameters of a history say."""

    most: int = DEFAULT_COUNT  # versions on a page
    low: int = 0  # sequences of the versions: from here
    high: int = LAST_SEQUENCE  # to before here
    at: int | None = None  # versions before this sequence count only when they were current then
    oldest_first: bool = False
    cursor: str | None = None  # still signed
    shape: tuple[tuple[str, str], ...] = ()  # _summary, _elements


class Place(NamedTuple):
    """Where a page begins: after this version; `top` is the newest that the walk goes to (oldest first)."""

    sequence: int
    version: int
    top: int


Shape = Callable[[str, bytes], bytes]  # the part that is told of a resource, by its type
Read = Callable[[Place | None, int], Awaitable[list[Stored]]]  # the versions after a place, up to so many


async def history(ctx: Context, type: str | None, id: str | None, params: Params) -> Answer:
    """Answer with a page of the versions of one resource, of a type (`id` None) or of all (`type` None)."""
    asked = _asked(ctx, params)
    path = "/".join(step for step in (type, id, "_history") if step)
    chosen = sorted(pair for pair in params if pair[0] not in {cursor.NAME, "_count", *SHAPES, *PRESENTATION})
    purpose = (path, chosen)
    begin = Place(*cursor.read(ctx.server.cursor_key, purpose, asked.cursor)) if asked.cursor is not None else None
    if type is not None and id is not None:
        read, top = await _of_resource(ctx, type, id, asked)
    else:
        read, top = await _of_types(ctx, type, asked, begin)
    page, last = await _page(ctx, read, asked, begin)
    shape = _shape(ctx, [type] if type else await ctx.server.store.types(), asked)
    address = f"{ctx.base_url}/{path}"
    links = [("self", f"{address}?{urlencode(params)}" if params else address)]
    if last is not None:
        place = Place(last.sequence, last.version, begin.top if begin else top)
        following = [pair for pair in params if pair[0] != cursor.NAME]
        following.append((cursor.NAME, cursor.sign(ctx.server.cursor_key, purpose, place)))
        links.append(("next", f"{address}?{urlencode(following)}"))
    return Answer(200, bundle.history(links, [_change(ctx, each, shape) for each in page], timestamp=instant(ctx.now)))


async def _of_resource(ctx: Context, type: str, id: str, asked: Asked) -> tuple[Read, int]:
    """Return how to read the versions of one resource, and the newest of them; raise NotFound when there is none."""
    store = ctx.server.store
    current = await store.read(type, id)
    if current is None:
        raise NotFound(f"{type}/{id} is not known here", f"Không có {type}/{id} trong hệ thống")
    newest = current.sequence

    async def read(place: Place | None, limit: int) -> list[Stored]:
        low, high = asked.low, asked.high
        if asked.oldest_first:
            after, top = (place.version, place.top) if place else (0, newest)
            high = min(high, top + 1)
            return await store.history(type, id, after=after, low=low, high=high, oldest_first=True, limit=limit)
        before = place.version if place else None
        return await store.history(type, id, before=before, low=low, high=high, limit=limit)

    return read, newest


async def _of_types(ctx: Context, type: str | None, asked: Asked, begin: Place | None) -> tuple[Read, int]:
    """Return how to read the versions of a type or of all, and the newest of them when that matters."""
    store = ctx.server.store
    types = [type] if type else [each for each in await store.types() if each in ctx.server.definitions.resource_types]
    newest = await store.newest(types) if asked.oldest_first and begin is None else 0

    async def read(place: Place | None, limit: int) -> list[Stored]:
        low, high = asked.low, asked.high
        if asked.oldest_first:
            low = max(low, place.sequence + 1) if place else low
            high = min(high, (place.top if place else newest) + 1)
        elif place:
            high = min(high, place.sequence)
        return await store.changes(types, low=low, high=high, oldest_first=asked.oldest_first, limit=limit)

    return read, newest


async def _page(ctx: Context, read: Read, asked: Asked, begin: Place | None) -> tuple[list[Stored], Stored | None]:
    """Return the versions of a page, and the one after which the next page begins (None: there is no next page)."""
    place, top = begin, begin.top if begin else LAST_SEQUENCE - 1
    page: list[Stored] = []
    last: Stored | None = None
    for _ in range(ROUNDS):
        versions = await read(place, asked.most + 1)
        page = await _current_then(ctx, versions[: asked.most], asked.at)
        if len(versions) <= asked.most:
            return page, None
        last = versions[asked.most - 1]
        if page:
            break
        place = Place(last.sequence, last.version, top)
    return page, last


async def _current_then(ctx: Context, versions: Sequence[Stored], at: int | None) -> list[Stored]:
    """Return those of `versions` that were made at or after sequence `at`, or were current when it began."""
    earlier = [version for version in versions if at is not None and version.sequence < at]
    if at is None or not earlier:
        return list(versions)
    followed = await ctx.server.store.successors(earlier)
    begun = at + sequence_at(EPOCH + MILLISECOND)  # a version superseded in this very millisecond is no longer current
    gone = {
        version.sequence
        for version in earlier
        if version.raw is None or followed.get((version.type, version.id, version.version), begun) < begun
    }
    return [version for version in versions if version.sequence not in gone]


def _shape(ctx: Context, types: Sequence[str], asked: Asked) -> Shape:
    """Return how much of a resource is told; raise BadRequest on what no type has."""
    if not asked.shape:
        return lambda type, raw: raw
    catalogue = ctx.server.indexer.catalogue
    parsed = {type: query.parse(catalogue, type, asked.shape, now=ctx.now, among=types) for type in types or ["Basic"]}
    if any(each.only_count for each in parsed.values()):
        raise BadRequest("_summary=count counts matches of a search", "_summary=count chỉ dùng để đếm kết quả tìm kiếm")

    def part(type: str, raw: bytes) -> bytes:
        wanted = parsed[type]
        if subset.whole(wanted.summary, wanted.elements):
            return raw
        return subset.subset(ctx.server.definitions, raw, wanted.summary, wanted.elements)

    return part


def _change(ctx: Context, stored: Stored, shape: Shape) -> bundle.Change:
    name = f"{stored.type}/{stored.id}"
    return bundle.Change(
        full_url=f"{ctx.base_url}/{name}",
        resource=None if stored.raw is None else shape(stored.type, stored.raw),
        method=stored.method,
        url=stored.type if stored.method == "POST" else name,
        status="204" if stored.raw is None else "201" if stored.version == 1 else "200",
        etag=f'W/"{stored.version}"',
        last_modified=instant(stored.last_updated),
    )


def _asked(ctx: Context, params: Params) -> Asked:
    """Read the parameters; raise BadRequest on one that is unknown, repeated or malformed."""
    asked = Asked()
    seen: set[str] = set()
    for name, text in params:
        if name in PRESENTATION:
            continue
        if name not in _READERS:
            raise BadRequest(
                f"A history takes {', '.join(_READERS)}, not '{name[:64]}': leave it out",
                f"Lịch sử nhận {', '.join(_READERS)}, không nhận '{name[:64]}': hãy bỏ tham số này",
            )
        if name in seen:
            raise BadRequest(f"{name} is given twice: give it once", f"{name} xuất hiện hai lần: chỉ gửi một lần")
        seen.add(name)
        asked = _READERS[name](ctx, asked, text)
    return asked


def _count(ctx: Context, asked: Asked, text: str) -> Asked:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"_count={text[:64]} is not a whole number", f"_count={text[:64]} không phải số nguyên")
    return asked._replace(most=min(MAX_COUNT, int(text) or DEFAULT_COUNT))


def _since(ctx: Context, asked: Asked, text: str) -> Asked:
    return asked._replace(low=sequence_at(moments(ctx, "_since", text)[0]))


def _at(ctx: Context, asked: Asked, text: str) -> Asked:
    start, end = moments(ctx, "_at", text)
    return asked._replace(at=sequence_at(start), high=sequence_at(end))


def _sort(ctx: Context, asked: Asked, text: str) -> Asked:
    if text not in {"_lastUpdated", "-_lastUpdated"}:
        raise BadRequest(
            f"A history is sorted by _lastUpdated or -_lastUpdated, not by '{text[:64]}'",
            f"Lịch sử chỉ sắp xếp theo _lastUpdated hoặc -_lastUpdated, không theo '{text[:64]}'",
        )
    return asked._replace(oldest_first=text == "_lastUpdated")


def _cursor(ctx: Context, asked: Asked, text: str) -> Asked:
    return asked._replace(cursor=text)


def _part(name: str) -> Callable[[Context, Asked, str], Asked]:
    return lambda ctx, asked, text: asked._replace(shape=(*asked.shape, (name, text)))


_READERS: dict[str, Callable[[Context, Asked, str], Asked]] = {
    "_count": _count,
    "_since": _since,
    "_at": _at,
    "_sort": _sort,
    **{name: _part(name) for name in SHAPES},
    cursor.NAME: _cursor,
}


def moments(ctx: Context, name: str, text: str) -> tuple[datetime, datetime]:
    """Return the start and the end of the date or time `text`, in UTC; raise BadRequest when it is none."""
    found = date.interval(text, ctx.server.indexer.catalogue.context.zone)
    if found is None:
        raise BadRequest(
            f"{name}={text[:64]} is no date or time: write for example 2026-03-01T10:00:00+07:00",
            f"{name}={text[:64]} không phải ngày giờ: hãy viết ví dụ 2026-03-01T10:00:00+07:00",
        )
    return found
