"""read and vread.

https://hl7.org/fhir/R4/http.html#read · https://hl7.org/fhir/R4/http.html#vread
"""

from fhir_server.interactions import answer
from fhir_server.interactions.answer import Answer
from fhir_server.outcome import Gone, NotFound
from fhir_server.server import Context
from fhir_server.store.documents import Stored


async def current(ctx: Context, type: str, id: str) -> Stored:
    """Return the current version; raise NotFound when there never was one, Gone when it is deleted."""
    return _present(await ctx.server.store.read(type, id), f"{type}/{id}")


async def read(ctx: Context, type: str, id: str) -> Answer:
    """Answer with the current version."""
    return answer.of(await current(ctx, type, id))


async def vread(ctx: Context, type: str, id: str, version: int) -> Answer:
    """Answer with one version, current or superseded."""
    stored = await ctx.server.store.vread(type, id, version)
    return answer.of(_present(stored, f"{type}/{id}/_history/{version}"))


def _present(stored: Stored | None, name: str) -> Stored:
    if stored is None:
        raise NotFound(f"{name} is not known here", f"Không có {name} trong hệ thống")
    if stored.raw is None:
        raise Gone(
            f"{name} was deleted on {stored.last_updated:%Y-%m-%d}; its history is kept",
            f"{name} đã bị xóa ngày {stored.last_updated:%d/%m/%Y}; lịch sử vẫn được lưu",
        )
    return stored
