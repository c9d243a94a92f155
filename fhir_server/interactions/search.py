"""search in one resource type: parse, plan, resolve chains, find a page, bring along what is included.

https://hl7.org/fhir/R4/http.html#search · https://hl7.org/fhir/R4/search.html
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from fhir_server import wire
from fhir_server.interactions import compartment, meanings, subset
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.compartment import Compartment
from fhir_server.outcome import Issue, TooCostly, outcome
from fhir_server.search import bundle, include, page, plan
from fhir_server.search import query as reading
from fhir_server.search.plan import Nearby, Open, Plan, Referred, SortBy
from fhir_server.search.query import Query
from fhir_server.server import Context
from fhir_server.store import ID, Found, SortKey, Stored

Params = list[tuple[str, str]]
Key = tuple[str, str]


async def search(ctx: Context, type: str, params: Params, within: Compartment | None = None) -> Answer:
    """Answer with a searchset Bundle: one page of matches and what `_include` and `_revinclude` ask for."""
    known = await meanings.catalogue(ctx, params)
    query = reading.parse(known, type, params, now=ctx.now, lenient=ctx.lenient)
    steps = plan.plan(query, ctx.server.indexer.catalogue)
    condition = compartment.narrowed(ctx, within, type, await _condition(ctx, steps))
    total = await _total(ctx, query, condition)
    explained = await _explained(ctx, query, steps, condition)
    if query.only_count:
        links = page.links(compartment.base_url(ctx, within), query, None)
        return Answer(200, bundle.searchset(links, [], total=total, outcome=_notes(ctx, query, explained)))
    after = page.after(ctx.server.cursor_key, query)
    found = (
        []
        if condition is None
        else await _find(ctx, steps, condition, after, query.count + 1, entries=bool(query.includes))
    )
    matches = found[: query.count]
    cursor = page.sign(ctx.server.cursor_key, query, matches[-1].key) if len(found) > query.count else None
    entries = [entry(ctx, query, match.stored, "match") for match in matches]
    entries += [entry(ctx, query, stored, "include") for stored in await _included(ctx, query, matches)]
    links = page.links(compartment.base_url(ctx, within), query, cursor)
    return Answer(200, bundle.searchset(links, entries, total=total, outcome=_notes(ctx, query, explained)))


async def condition_of(ctx: Context, query: Query) -> dict[str, Any] | None:
    """Return the database condition of a search; None when nothing can match."""
    return await _condition(ctx, plan.plan(query, ctx.server.indexer.catalogue))


async def matches(ctx: Context, type: str, params: Params, limit: int) -> list[Stored]:
    """Return up to `limit` matches, newest first: what operations search with."""
    query = reading.parse(await meanings.catalogue(ctx, params), type, params, now=ctx.now)
    steps = plan.plan(query, ctx.server.indexer.catalogue)
    condition = await _condition(ctx, steps)
    found = [] if condition is None else await _find(ctx, steps, condition, None, limit)
    return [each.stored for each in found]


async def _condition(ctx: Context, steps: Plan) -> dict[str, Any] | None:
    """Return the database condition of a plan, its chains resolved; None when nothing can match."""
    chains = plan.unresolved(steps)
    found = await asyncio.gather(*(_resolved(ctx, steps.type, chain) for chain in chains))
    return plan.to_filter(steps, dict(zip(chains, found, strict=True)))


async def _resolved(ctx: Context, type: str, chain: Open) -> list[Key]:
    """Return the resources that a chain from `type` leads to, or the positions; raise TooCostly when too many."""
    if isinstance(chain, Referred):
        return await _referred(ctx, chain)
    if isinstance(chain, Nearby):
        return await _near(ctx, type, chain)
    found = await asyncio.gather(*(_targets(ctx, link) for link in chain.links))
    return [key for keys in found for key in keys]


async def _targets(ctx: Context, link: Plan) -> list[Key]:
    condition = await _condition(ctx, link)
    if condition is None:
        return []
    most = ctx.server.settings.max_chain
    ids = await ctx.server.store.ids(link.type, condition, limit=most + 1)
    _bound_chain(len(ids), most, link.type)
    return [(link.type, id) for id in ids]


async def _referred(ctx: Context, chain: Referred) -> list[Key]:
    condition = await _condition(ctx, chain.source)
    if condition is None:
        return []
    most = ctx.server.settings.max_chain
    entries = await ctx.server.store.entries(chain.source.type, condition, f"{chain.name}|", limit=most + 1)
    _bound_chain(len(entries), most, chain.type)
    return [key for entry in entries if (key := include.named(entry)) is not None and key[0] == chain.type]


async def _near(ctx: Context, type: str, circles: Nearby) -> list[Key]:
    most = ctx.server.settings.max_chain
    found = await ctx.server.store.entries(type, plan.candidates(circles), f"{circles.name}|", limit=most + 1)
    if len(found) > most:
        raise TooCostly(
            f"More than {most} places lie within that distance: make it smaller",
            f"Có hơn {most} địa điểm trong khoảng cách này: hãy thu hẹp khoảng cách",
        )
    return circles.among(found)


def _bound_chain(count: int, most: int, type: str) -> None:
    if count > most:
        raise TooCostly(
            f"A chained parameter matches more than {most} {type} resources: make it narrower",
            f"Tham số nối chuỗi khớp hơn {most} tài nguyên {type}: hãy thu hẹp điều kiện",
        )


async def _find(
    ctx: Context,
    steps: Plan,
    condition: dict[str, Any],
    after: page.Key | None,
    limit: int,
    entries: bool = False,
) -> list[Found]:
    sort, newest_first = _order(steps.sort)
    return await ctx.server.store.find(
        steps.type, condition, sort=sort, after=after, limit=limit, newest_first=newest_first, entries=entries
    )


def _order(sort: Sequence[SortBy]) -> tuple[list[SortKey], bool]:
    """Return the keys before the time of the last update, which no two resources share, and its direction."""
    keys: list[SortKey] = []
    for each in sort:
        if each.key == "s":
            return keys, each.descending
        keys.append(SortKey(ID if each.key == "_id" else each.key, each.descending, each.mark))
    return keys, True


async def _total(ctx: Context, query: Query, condition: dict[str, Any] | None) -> int | None:
    if not query.only_count and query.total == "none":
        return None
    return 0 if condition is None else await ctx.server.store.count(query.type, condition)


async def _included(ctx: Context, query: Query, matches: Sequence[Found]) -> list[Stored]:
    """Return what comes along, each once, no match again; raise TooCostly rather than leave something out."""
    if not (query.includes or query.revincludes):
        return []
    page = {(match.stored.type, match.stored.id) for match in matches}
    along: dict[Key, Stored] = {}
    new = {(match.stored.type, match.stored.id): match for match in matches}
    again = False
    while new:
        found = await _step(ctx, query, new, seen=page | along.keys(), again=again)
        new = {(each.stored.type, each.stored.id): each for each in found}
        new = {key: each for key, each in new.items() if key not in page and key not in along}
        along |= {key: each.stored for key, each in new.items()}
        _bound(len(along), ctx.server.settings.max_include)
        if not include.iterates(query):
            break
        again = True
    return list(along.values())


async def _step(
    ctx: Context, query: Query, new: Mapping[Key, Found], *, seen: Collection[Key], again: bool
) -> list[Found]:
    """Return what the resources `new` bring along: what they refer to, but for `seen`, and what refers to them."""
    most = ctx.server.settings.max_include
    wanted = include.forward(query, {key: each.entries for key, each in new.items()}, again=again)
    wanted = [key for key in wanted if key not in seen]
    _bound(len(wanted), most)
    iterating = include.iterates(query)
    searches = [(back.type, back.condition) for back in include.backward(query, list(new), again=again)]
    if iterating:  # their entries are needed too, which reads by id do not bring
        for type, keys in groupby(wanted, key=lambda key: key[0]):
            searches.append((type, {"_id": {"$in": [id for _, id in keys]}}))
    found = await asyncio.gather(
        *(
            ctx.server.store.find(type, condition, limit=most + 1 + len(seen), entries=iterating)
            for type, condition in searches
        )
    )
    stored = {} if iterating else await ctx.server.store.read_many(wanted)
    read = [Found(each, ()) for key in wanted if (each := stored.get(key)) is not None and each.raw is not None]
    return [*read, *(each for page in found for each in page)]


def _bound(count: int, most: int) -> None:
    if count > most:
        raise TooCostly(
            f"More than {most} resources would be included in this page: ask for smaller pages with _count",
            f"Trang này sẽ kèm hơn {most} tài nguyên: hãy dùng trang nhỏ hơn với _count",
        )


def entry(ctx: Context, query: Query, stored: Stored, mode: bundle.Mode) -> bundle.Entry:
    """Return what a page says of a resource: the whole of it, or the part that the query asks for."""
    assert stored.raw is not None
    elements = query.elements if mode == "match" else ()
    raw = stored.raw
    if not subset.whole(query.summary, elements):
        raw = subset.subset(ctx.server.definitions, raw, query.summary, elements)
    return bundle.Entry(f"{ctx.base_url}/{stored.type}/{stored.id}", raw, mode)


def _notes(ctx: Context, query: Query, explained: Sequence[Issue]) -> bytes | None:
    """Return the OperationOutcome that names what a lenient search left out and tells what was asked to be told."""
    issues = (*query.ignored, *explained)
    return wire.dumps(outcome(issues, ctx.language)) if issues else None


async def _explained(ctx: Context, query: Query, steps: Plan, condition: dict[str, Any] | None) -> list[Issue]:
    """Return what `_explain` asks for: the plan, and what the database does for its first page."""
    if not query.explain:
        return []
    written = wire.dumps(plan.explain(steps)).decode()
    found = [_told(f"Plan: {written}", f"Kế hoạch: {written}")]
    if condition is None:
        return [*found, _told("Nothing can match: not asked", "Không thể có kết quả: không truy vấn cơ sở dữ liệu")]
    sort, newest_first = _order(steps.sort)
    cost = await ctx.server.store.explain(
        steps.type, condition, sort=sort, limit=query.count + 1, newest_first=newest_first
    )
    indexes, stages = ", ".join(cost.indexes) or "-", ", ".join(cost.stages)
    en = f"Database: index {indexes}; stages {stages}; examined {cost.documents} documents and {cost.keys} keys for "
    vi = f"Cơ sở dữ liệu: chỉ mục {indexes}; các bước {stages}; đã xét {cost.documents} tài liệu, {cost.keys} khóa cho "
    en += f"{cost.returned} results in {cost.milliseconds} ms"
    vi += f"{cost.returned} kết quả trong {cost.milliseconds} ms"
    return [*found, _told(en, vi)]


def _told(en: str, vi: str) -> Issue:
    return Issue("information", "informational", en, vi)
