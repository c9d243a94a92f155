"""$reindex: how far the index of new search parameters is; $reindex-start: have the index of types made anew.

https://hl7.org/fhir/R4/searchparameter.html · https://hl7.org/fhir/R4/operations.html

Both answer a parameter `type` for each resource type whose index is being made, could not be made, or was made
before: its `code`, `state` (waiting, building, failed, built), the search `parameter`s that wait for it, how many
resources are `done` of about how many in `total`, when it was `started` and `finished`, and which resources `failed`.
"""

from datetime import UTC, datetime
from typing import Any

from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, inputs, parameters
from fhir_server.outcome import BadRequest
from fhir_server.server import Context
from fhir_server.store import State

Json = dict[str, Any]


async def progress(ctx: Context, call: Call) -> Answer:
    """Answer how far the index of the types given (none: of all) is."""
    return await _told(ctx, _types(ctx, call))


async def start(ctx: Context, call: Call) -> Answer:
    """Have the index of the types given (none: of all that are stored) made anew; answer how far it is."""
    types = _types(ctx, call)
    await ctx.server.store.indexing.force(types or await ctx.server.store.types())
    return await _told(ctx, types)


def _types(ctx: Context, call: Call) -> list[str]:
    """Return the resource types given as `type`; raise BadRequest when one is none."""
    given = inputs(call, ("type",), lists=("type",))
    types = [type for type in str(given.get("type", "")).split(",") if type]
    unknown = sorted(set(types) - ctx.server.definitions.resource_types)
    if unknown:
        raise BadRequest(
            f"'{unknown[0][:64]}' is no resource type: give types such as Patient",
            f"'{unknown[0][:64]}' không phải loại tài nguyên: hãy gửi loại như Patient",
        )
    return types


async def _told(ctx: Context, types: list[str]) -> Answer:
    states = await ctx.server.store.indexing.states()
    rows = [_row(type, state) for type, state in sorted(states.items()) if not types or type in types]
    return parameters([row for row in rows if row is not None])


def _row(type: str, state: State) -> Json | None:
    """Return what is told of a type; None when its index was true from the beginning."""
    job = state.job
    missing = sorted(rule.partition(" ")[0] for rule in state.wanted - state.built)
    if not (state.open or missing or state.finished):
        return None
    current = "waiting" if job is None else "building"
    current = current if state.open else "failed" if missing or job else "built"
    part: list[Json] = [{"name": "code", "valueCode": type}, {"name": "state", "valueCode": current}]
    part += [{"name": "parameter", "valueString": name} for name in missing]
    if job is not None:
        part += [
            {"name": "done", "valueInteger": job.done},
            {"name": "total", "valueInteger": max(job.total, job.done)},
        ]
        part.append(_time("started", job.started))
        part += [{"name": "failed", "valueString": f"{type}/{id}"} for id in job.failed]
    elif state.finished is not None:
        part += [{"name": "done", "valueInteger": state.done}, _time("finished", state.finished)]
    return {"name": "type", "part": part}


def _time(name: str, moment: datetime) -> Json:
    return {"name": name, "valueInstant": instant(moment.replace(tzinfo=UTC))}
