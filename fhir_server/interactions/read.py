"""read and vread.

https://hl7.org/fhir/R4/http.html#read · https://hl7.org/fhir/R4/http.html#vread
"""

from dataclasses import replace

from fhir_server.interactions import answer, subset
from fhir_server.interactions.answer import Answer
from fhir_server.outcome import BadRequest, Gone, NotFound
from fhir_server.search import query
from fhir_server.server import Context
from fhir_server.store.documents import Stored

Params = tuple[tuple[str, str], ...]


async def current(ctx: Context, type: str, id: str) -> Stored:
    """Return the current version; raise NotFound when there never was one, Gone when it is deleted."""
    return _present(await ctx.server.store.read(type, id), f"{type}/{id}")


async def read(ctx: Context, type: str, id: str, shape: Params = ()) -> Answer:
    """Answer with the current version, or the part of it that `shape` asks for."""
    return shaped(ctx, type, answer.of(await current(ctx, type, id)), shape)


async def vread(ctx: Context, type: str, id: str, version: int, shape: Params = ()) -> Answer:
    """Answer with one version, current or superseded, or the part of it that `shape` asks for."""
    stored = await ctx.server.store.vread(type, id, version)
    return shaped(ctx, type, answer.of(_present(stored, f"{type}/{id}/_history/{version}")), shape)


def shaped(ctx: Context, type: str, whole: Answer, shape: Params) -> Answer:
    """Return `whole`, a resource of `type`, as `_summary` or `_elements` ask for it; raise BadRequest."""
    if not shape or whole.body is None:
        return whole
    asked = query.parse(ctx.server.indexer.catalogue, type, shape, now=ctx.now)
    if asked.summary == "count":
        raise BadRequest("_summary=count counts matches of a search", "_summary=count chỉ dùng để đếm kết quả tìm kiếm")
    part = subset.subset(ctx.server.definitions, whole.body, asked.summary, asked.elements)
    return replace(whole, body=part)


def _present(stored: Stored | None, name: str) -> Stored:
    if stored is None:
        raise NotFound(f"{name} is not known here", f"Không có {name} trong hệ thống")
    if stored.raw is None:
        raise Gone(
            f"{name} was deleted on {stored.last_updated:%Y-%m-%d}; its history is kept",
            f"{name} đã bị xóa ngày {stored.last_updated:%d/%m/%Y}; lịch sử vẫn được lưu",
        )
    return stored
