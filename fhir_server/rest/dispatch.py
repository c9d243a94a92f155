"""The corridor: every interaction, from whatever door, is authorised, performed and audited here, once.

https://hl7.org/fhir/R4/http.html
"""

import time
from dataclasses import replace
from typing import assert_never

from fhir_server.interactions import across, conditional, history, patch, read, write
from fhir_server.interactions.answer import Answer
from fhir_server.operations.table import OPERATIONS
from fhir_server.outcome import Forbidden
from fhir_server.rest import audit, bundle, capabilities, transaction
from fhir_server.rest.interaction import (
    Bundle,
    Capabilities,
    ConditionalDelete,
    ConditionalPatch,
    ConditionalUpdate,
    Create,
    Delete,
    History,
    Interaction,
    Invoke,
    Patch,
    Read,
    Search,
    Update,
    VRead,
)
from fhir_server.server import Context


async def dispatch(ctx: Context, interaction: Interaction) -> Answer:
    """Return the answer to `interaction`; raise a FhirError, and no other, when it is refused or fails.

    From its beginning to its end it works with what the server knew when it began.
    """
    with ctx.server.live.using() as knowledge:
        if ctx.server.pinned is not knowledge:
            ctx = replace(ctx, server=ctx.server.knowing(knowledge))
        answer = await _audited(ctx, interaction)
    await ctx.server.live.caught_up()  # definitions just stored have effect when their sender is told so
    return answer


async def _audited(ctx: Context, interaction: Interaction) -> Answer:
    """Do the same for what is part of something larger: an entry of a Bundle."""
    started = time.perf_counter()
    status = 500
    try:
        authorise(ctx, interaction)
        answer = await perform(ctx, interaction)
        status = answer.status
        return answer
    except Exception as error:
        found = audit.failure(error)
        status = found.status
        raise found from None
    finally:
        elapsed = (time.perf_counter() - started) * 1000
        audit.record(type(interaction).__name__, getattr(interaction, "type", None), status, elapsed)


def authorise(ctx: Context, interaction: Interaction) -> None:
    """Raise Forbidden unless the caller may do this.

    Nothing tells callers apart yet: an open server (one that only its own machine reaches, or that was opened on
    purpose) lets everybody do everything, every other server lets nobody do anything.
    """
    if not ctx.open:
        raise Forbidden(
            f"{type(interaction).__name__} is not allowed: this server has no authorisation configured",
            f"Không được phép {type(interaction).__name__}: máy chủ chưa cấu hình phân quyền",
        )


async def perform(ctx: Context, interaction: Interaction) -> Answer:  # noqa: C901 — one case for each interaction
    """Hand `interaction` to its conductor."""
    match interaction:
        case Read(type, id, unless, shape):
            return conditional.news(await read.read(ctx, type, id, shape), unless)
        case VRead(type, id, version, unless, shape):
            return conditional.news(await read.vread(ctx, type, id, version, shape), unless)
        case Create(type, resource, condition):
            if condition is None:
                return await write.create(ctx, type, resource)
            return await conditional.create(ctx, type, resource, condition)
        case Update(type, id, resource, if_match, only_new):
            return await write.update(ctx, type, id, resource, if_match, only_new)
        case ConditionalUpdate(type, params, resource, if_match, only_new):
            return await conditional.update(ctx, type, resource, params, if_match, only_new)
        case Patch(type, id, changes, if_match):
            return await patch.patch(ctx, type, id, changes, if_match)
        case ConditionalPatch(type, params, changes, if_match):
            return await patch.patch_match(ctx, type, params, changes, if_match)
        case Delete(type, id, if_match):
            return await write.delete(ctx, type, id, if_match)
        case ConditionalDelete(type, params, if_match):
            return await conditional.delete(ctx, type, params, if_match)
        case History(type, id, params):
            return await history.history(ctx, type, id, list(params))
        case Search(type, params, within):
            return await across.search(ctx, type, list(params), within)
        case Bundle(resource):
            entries = bundle.read_entries(ctx, resource)
            if resource["type"] == "batch":
                return await bundle.batch(ctx, entries, _audited)
            return await transaction.transaction(ctx, entries, _audited, authorise)
        case Capabilities(mode, shape):
            return capabilities.statement(ctx, mode, shape)
        case Invoke(name=name):
            return await OPERATIONS[name].perform(ctx, interaction)
        case _:
            assert_never(interaction)
