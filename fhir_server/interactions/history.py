"""history of one resource: every version, newest first, deletions included.

https://hl7.org/fhir/R4/http.html#history
"""

from urllib.parse import urlencode

from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.outcome import BadRequest, NotFound
from fhir_server.search import bundle
from fhir_server.search.query import DEFAULT_COUNT, MAX_COUNT
from fhir_server.server import Context
from fhir_server.store import Stored

Params = list[tuple[str, str]]


async def instance(ctx: Context, type: str, id: str, params: Params) -> Answer:
    """Answer with a page of versions; `_count` bounds it, the next link goes on below the last version given."""
    count, before = _paging(params)
    versions = await ctx.server.store.history(type, id, before=before, limit=count + 1)
    if not versions and before is None:
        raise NotFound(f"{type}/{id} is not known here", f"Không có {type}/{id} trong hệ thống")
    page = versions[:count]
    address = f"{ctx.base_url}/{type}/{id}/_history"
    links = [("self", f"{address}?{urlencode(params)}" if params else address)]
    if len(versions) > count:
        links.append(("next", f"{address}?{urlencode({'_count': count, '_before': page[-1].version})}"))
    changes = [_change(ctx, version) for version in page]
    return Answer(200, bundle.history(links, changes, timestamp=instant(ctx.now)))


def _change(ctx: Context, stored: Stored) -> bundle.Change:
    name = f"{stored.type}/{stored.id}"
    return bundle.Change(
        full_url=f"{ctx.base_url}/{name}",
        resource=stored.raw,
        method=stored.method,
        url=stored.type if stored.method == "POST" else name,
        status="204" if stored.raw is None else "201" if stored.version == 1 else "200",
        etag=f'W/"{stored.version}"',
        last_modified=instant(stored.last_updated),
    )


def _paging(params: Params) -> tuple[int, int | None]:
    numbers: dict[str, int | None] = {"_count": DEFAULT_COUNT, "_before": None}
    for name, value in params:
        if name in {"_format", "_pretty"}:
            continue
        if name not in numbers:
            raise BadRequest(
                f"History of one resource takes _count, not '{name[:64]}'",
                f"Lịch sử của một tài nguyên nhận _count, không nhận '{name[:64]}'",
            )
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise BadRequest(f"{name}={value[:64]} is not a whole number", f"{name}={value[:64]} không phải số nguyên")
        numbers[name] = int(value)
    return max(1, min(MAX_COUNT, numbers["_count"] or DEFAULT_COUNT)), numbers["_before"]
