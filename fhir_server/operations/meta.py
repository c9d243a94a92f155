"""$meta, $meta-add, $meta-delete: the profiles, tags and security labels of a resource, without the rest of it.

https://hl7.org/fhir/R4/resource-operation-meta.html (and -meta-add, -meta-delete)

A change makes a new version, as every change of a stored resource does; what changes nothing makes none.
"""

from collections.abc import Callable
from typing import Any

from fhir_server import wire
from fhir_server.interactions import read, write
from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call, inputs, parameters
from fhir_server.outcome import BadRequest, PreconditionFailed
from fhir_server.server import Context

Json = dict[str, Any]

KINDS: dict[str, type] = {"profile": str, "security": dict, "tag": dict}


async def meta(ctx: Context, call: Call) -> Answer:
    """Answer with the meta of the current version."""
    inputs(call, ())
    stored = await read.current(ctx, call.type or "", call.id or "")
    return _returned(wire.loads(stored.raw or b"{}"))


async def add(ctx: Context, call: Call) -> Answer:
    """Add the labels given that the resource has not; answer with its meta afterwards."""
    return await _changed(ctx, call, lambda own, given: [*own, *(each for each in given if not _among(each, own))])


async def delete(ctx: Context, call: Call) -> Answer:
    """Remove the labels given, those that it has not are no error; answer with its meta afterwards."""
    return await _changed(ctx, call, lambda own, given: [each for each in own if not _among(each, given)])


async def _changed(ctx: Context, call: Call, change: Callable[[list[Any], list[Any]], list[Any]]) -> Answer:
    given = _labels(inputs(call, ("meta",)).get("meta"))
    type, id = call.type or "", call.id or ""
    for _ in range(write.ATTEMPTS):
        current = await read.current(ctx, type, id)
        resource = wire.loads(current.raw or b"{}")
        own = resource["meta"]
        labels = {kind: change(own.get(kind, []), given.get(kind, [])) for kind in KINDS}
        rest = {name: value for name, value in own.items() if name not in KINDS}
        resource["meta"] = {**rest, **{kind: found for kind, found in labels.items() if found}}
        try:
            answer = await write.update(ctx, type, id, resource, current.version)
        except PreconditionFailed:
            continue  # somebody else was first: their version gets the labels
        return _returned(wire.loads(answer.body or b"{}"))
    raise write.contended(type, id)


def _labels(given: Any) -> dict[str, list[Any]]:
    """Return the labels of the Meta given, by kind; raise BadRequest when it is none."""
    if isinstance(given, dict):
        labels = {kind: given[kind] for kind in KINDS if kind in given}
        if labels and all(
            isinstance(rows, list) and all(isinstance(row, KINDS[kind]) for row in rows)
            for kind, rows in labels.items()
        ):
            return labels
    raise BadRequest(
        "Send Parameters with one parameter 'meta', a valueMeta with profile, security or tag",
        "Hãy gửi Parameters có một tham số 'meta' kiểu valueMeta gồm profile, security hoặc tag",
    )


def _among(label: Any, labels: list[Any]) -> bool:
    """Return whether `label` is one of `labels`: the same URL, or the same system and code."""
    return any(_name(label) == _name(other) for other in labels)


def _name(label: Any) -> Any:
    return (label.get("system"), label.get("code")) if isinstance(label, dict) else label


def _returned(resource: Json) -> Answer:
    return parameters([{"name": "return", "valueMeta": resource["meta"]}])
