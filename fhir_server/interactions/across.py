"""search over several types at once: at the system, or all that is in a compartment; merged by the time of last update.

https://hl7.org/fhir/R4/http.html#search · https://hl7.org/fhir/R4/search.html#all
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fhir_server import wire
from fhir_server.interactions import compartment, meanings
from fhir_server.interactions import search as one
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.compartment import Compartment
from fhir_server.outcome import BadRequest, NotSupported, outcome
from fhir_server.search import bundle, page, plan
from fhir_server.search import query as reading
from fhir_server.search.parameters import Catalogue
from fhir_server.search.query import Query
from fhir_server.server import Context
from fhir_server.store import Found

Params = list[tuple[str, str]]
Conditions = Mapping[str, dict[str, Any]]  # by type; a type of which nothing can match is not there
Result = TypeVar("Result")

TOGETHER = 16  # types that are searched at the same moment


async def search(ctx: Context, type: str | None, params: Params, within: Compartment | None) -> Answer:
    """Answer with a searchset of one type, or (None) of several, at the system or in a compartment."""
    return await (several(ctx, params, within) if type is None else one.search(ctx, type, params, within))


async def several(ctx: Context, params: Params, within: Compartment | None) -> Answer:
    """Answer with a searchset of the types in `_type`, by default of all that something is stored of."""
    named, rest = _named(ctx, params, within)
    types = await stored_types(ctx, within) if named is None else named
    queries = _queries(ctx, types, rest, await meanings.catalogue(ctx, rest))
    query = replace(next(iter(queries.values())), type="*" if within else "")
    if named is not None:
        query = replace(query, applied=(("_type", ",".join(named)), *query.applied))
    base_url = compartment.base_url(ctx, within)
    newest_first = _require_simple(ctx, queries)
    found = await each(types, lambda type: one.condition_of(ctx, queries[type]))
    narrowed = {
        type: compartment.narrowed(ctx, within, type, wanted) for type, wanted in zip(types, found, strict=True)
    }
    conditions = {type: wanted for type, wanted in narrowed.items() if wanted is not None}
    total = None if query.total == "none" and not query.only_count else await count(ctx, conditions)
    notes = wire.dumps(outcome(query.ignored, ctx.language)) if query.ignored else None
    if query.only_count:
        return Answer(200, bundle.searchset(page.links(base_url, query, None), [], total=total, outcome=notes))
    after = page.after(ctx.server.cursor_key, query)
    matches = await merged(ctx, conditions, after, query.count + 1, newest_first=newest_first)
    more = len(matches) > query.count
    cursor = page.sign(ctx.server.cursor_key, query, matches[query.count - 1].key) if more else None
    entries = [one.entry(ctx, queries[match.stored.type], match.stored, "match") for match in matches[: query.count]]
    return Answer(200, bundle.searchset(page.links(base_url, query, cursor), entries, total=total, outcome=notes))


async def stored_types(ctx: Context, within: Compartment | None = None) -> list[str]:
    """Return the types of which something was ever stored, those that can be in the compartment."""
    possible = compartment.types(ctx, within) if within else ctx.server.definitions.resource_types
    return [type for type in await ctx.server.store.types() if type in possible]


async def merged(
    ctx: Context, conditions: Conditions, after: page.Key | None, limit: int, *, newest_first: bool = True
) -> list[Found]:
    """Return up to `limit` matches of any type after the key `after`, by the time of their last update."""
    store = ctx.server.store
    found = await each(
        conditions,
        lambda type: store.find(type, conditions[type], after=after, limit=limit, newest_first=newest_first),
    )
    together = [match for of_type in found for match in of_type]
    return sorted(together, key=lambda match: match.stored.sequence, reverse=newest_first)[:limit]


async def count(ctx: Context, conditions: Conditions) -> int:
    """Return how many resources match."""
    return sum(await each(conditions, lambda type: ctx.server.store.count(type, conditions[type])))


async def each(types: Iterable[str], ask: Callable[[str], Awaitable[Result]]) -> list[Result]:
    """Return what `ask` says of every type, some at the same moment."""
    waiting = asyncio.Semaphore(TOGETHER)

    async def alone(type: str) -> Result:
        async with waiting:
            return await ask(type)

    return await asyncio.gather(*(alone(type) for type in types))


def type_names(ctx: Context, text: str, possible: Iterable[str]) -> list[str]:
    """Read `_type=A,B`: each once, in order; raise BadRequest when one of them is not among `possible`."""
    names = sorted({name.strip() for name in text.split(",") if name.strip()})
    known = set(possible)
    for name in names:
        if name not in known:
            raise BadRequest(
                f"_type: '{name[:64]}' cannot be found here: use resource types of FHIR R4 that belong here",
                f"_type: không thể tìm '{name[:64]}' tại đây: hãy dùng loại tài nguyên FHIR R4 phù hợp",
            )
    if not names:
        raise BadRequest("_type names no type: write _type=Patient,Immunization", "_type không nêu loại tài nguyên nào")
    return names


def _named(ctx: Context, params: Params, within: Compartment | None) -> tuple[list[str] | None, Params]:
    """Return the types that `_type` names, None when it is not given, and the other parameters."""
    given = [text for name, text in params if name == "_type"]
    rest = [(name, text) for name, text in params if name != "_type"]
    if len(given) > 1:
        raise BadRequest("_type is given twice: write _type=A,B", "_type xuất hiện hai lần: hãy viết _type=A,B")
    if given:
        possible = compartment.types(ctx, within) if within else ctx.server.definitions.resource_types
        return type_names(ctx, given[0], possible), rest
    special = [name for name, _ in rest if not name.startswith("_")]
    if special:
        raise BadRequest(
            f"{special[0][:64]}: without _type only parameters of every resource can be used, such as _lastUpdated or "
            "_tag: add _type=…, with types that all have this parameter",
            f"{special[0][:64]}: khi không có _type chỉ dùng được tham số chung như _lastUpdated hoặc _tag: "
            "hãy thêm _type=… gồm các loại đều có tham số này",
        )
    return None, rest


def _queries(ctx: Context, types: Sequence[str], params: Params, catalogue: Catalogue) -> dict[str, Query]:
    """Return the search by type; what one type has not is left out for all when the client is lenient."""

    def parsed(given: Params) -> dict[str, Query]:
        # Of nothing stored nothing is found, but a mistake is a mistake all the same.
        return {
            type: reading.parse(catalogue, type, given, now=ctx.now, lenient=ctx.lenient, among=types)
            for type in types or ["Basic"]
        }

    queries = parsed(params)
    ignored = tuple(dict.fromkeys(issue for query in queries.values() for issue in query.ignored))
    if not ignored:
        return queries
    common = set.intersection(*({name for name, _ in query.applied} for query in queries.values()))
    queries = parsed([(name, text) for name, text in params if name in common or name == reading.CURSOR])
    return {type: replace(query, ignored=ignored) for type, query in queries.items()}


def _require_simple(ctx: Context, queries: Mapping[str, Query]) -> bool:
    """Return whether the newest come first; raise NotSupported for what only works within one type."""
    query = next(iter(queries.values()))
    if query.includes or query.revincludes or query.explain:
        raise NotSupported(
            "_include, _revinclude and _explain work when one type is searched: name it, or leave them out",
            "_include, _revinclude và _explain chỉ dùng khi tìm trong một loại: hãy nêu loại đó, hoặc bỏ chúng",
        )
    sort = plan.plan(query, ctx.server.indexer.catalogue).sort
    if sort and sort[0].key != "s":
        raise NotSupported(
            "A search over several types is sorted by _lastUpdated or -_lastUpdated only",
            "Tìm kiếm trên nhiều loại chỉ sắp xếp theo _lastUpdated hoặc -_lastUpdated",
        )
    return sort[0].descending if sort else True
