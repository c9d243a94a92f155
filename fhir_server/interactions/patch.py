"""patch: the current version changed by operations, checked as a whole and only then stored.

https://hl7.org/fhir/R4/http.html#patch · https://www.rfc-editor.org/rfc/rfc5789#section-2.2

Why which status: docs/decisions/0022-patch.md
"""

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from fhir_server import wire
from fhir_server.interactions import answer, conditional, fhirpathpatch, jsonpatch, mergepatch, narrative, read, write
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.conditional import Params
from fhir_server.outcome import BadRequest, NotFound, Unprocessable
from fhir_server.server import Context
from fhir_server.store import Stored, VersionConflict

Json = dict[str, Any]
Change = Callable[[Json], Any]

JSON_PATCH = "application/json-patch+json"


def change(ctx: Context, body: Any) -> Change:
    """Return what a patch does to a resource; raise BadRequest when it is none.

    A patch is a JSON Patch (in a Bundle: a Binary that holds one), a FHIRPath Patch, which is a Parameters resource,
    or a JSON Merge Patch, which is an object that is no resource.
    """
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if kind == "Parameters":
        steps = fhirpathpatch.read(body)
        return lambda resource: fhirpathpatch.apply(ctx.server.definitions, steps, resource)
    if kind == "Binary":
        body = _unwrapped(body)
    if isinstance(body, dict) and body and kind is None:
        merged = body
        return lambda resource: mergepatch.apply(merged, resource)
    if not isinstance(body, list):
        raise BadRequest(
            "A patch is a JSON Patch (an array; in a Bundle as Binary) or a Parameters resource with operations",
            "Bản vá là JSON Patch (mảng; trong Bundle là Binary) hoặc tài nguyên Parameters chứa các operation",
        )
    operations = jsonpatch.read(body)
    return lambda resource: jsonpatch.apply(operations, resource)


def _unwrapped(binary: Json) -> Any:
    if str(binary.get("contentType")).partition(";")[0] != JSON_PATCH:
        raise BadRequest(f"Binary.contentType of a patch is {JSON_PATCH}", f"Binary.contentType phải là {JSON_PATCH}")
    try:
        return wire.loads(b64decode(str(binary.get("data")), validate=True))
    except (binascii.Error, ValueError):
        raise BadRequest("Binary.data of a patch is not base64", "Binary.data của bản vá không phải base64") from None


def patched(change: Change, current: Stored) -> Json:
    """Return what `change` makes of a version; raise Unprocessable when that is another resource.

    Raise Conflict when the version is not as the patch takes it to be.
    """
    resource = wire.loads(current.raw or b"{}")
    result = change(resource)
    for name in ("resourceType", "id"):
        if not isinstance(result, dict) or result.get(name) != resource[name]:
            raise Unprocessable(
                f"A patch must not change {name}: leave it as it is",
                f"Bản vá không được thay đổi {name}: hãy giữ nguyên",
                expression=f"{current.type}.{name}",
            )
    return narrative.safe(resource, result)


async def patch(ctx: Context, type: str, id: str, body: Any, if_match: int | None) -> Answer:
    """Store the current version as the patch changes it."""
    wanted = change(ctx, body)
    for _ in range(write.ATTEMPTS):
        done = await _applied(ctx, wanted, await read.current(ctx, type, id), if_match)
        if done is not None:
            return done
    raise write.contended(type, id)


async def patch_match(ctx: Context, type: str, params: Params, body: Any, if_match: int | None) -> Answer:
    """Store the only resource that satisfies a condition as the patch changes it."""
    condition = await conditional.condition(ctx, type, params)
    wanted = change(ctx, body)
    for _ in range(write.ATTEMPTS):
        found = only(condition, await conditional.matches(ctx, condition))
        done = await _applied(ctx, wanted, found, if_match)
        if done is not None:
            return done
    raise conditional.contended(condition)


def only(condition: conditional.Condition, found: list[Stored]) -> Stored:
    """Return the only match; raise NotFound when there is none, PreconditionFailed when there are several."""
    match = conditional.one(condition, found)
    if match is None:
        raise NotFound(
            f"No {condition.type} matches the condition: there is nothing to patch",
            f"Không có {condition.type} nào khớp điều kiện: không có gì để vá",
        )
    return match


async def _applied(ctx: Context, wanted: Change, current: Stored, if_match: int | None) -> Answer | None:
    """Return the answer when the patched resource is stored, None when somebody else was faster."""
    type, id = current.type, current.id
    write.require_version(current, type, id, if_match)
    checked = write.check(ctx, type, patched(wanted, current))
    await write.require_references(ctx, checked, (type, id))
    if write.unchanged(ctx, checked.resource, id, current):
        return answer.of(current, 200, location=True)
    new = write.put(ctx, checked.resource, id, current, "PATCH")
    try:
        await write.commit(ctx, [new])
    except VersionConflict:
        return None
    return answer.of(new.new, 200, location=True)
