"""$validate: what a create, an update or a delete would say, without storing anything.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from typing import Any

from fhir_server import wire
from fhir_server.interactions import check, read, write
from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call, inputs, text
from fhir_server.outcome import BadRequest, FhirError, Issue, NotSupported, outcome
from fhir_server.server import Context
from fhir_server.validation.validator import CORE

# Parameters of this server's own: what is told only to who asks for it → argument of the validator.
WISHES = {"mustSupport": "must_support", "bestPractice": "best_practice"}
MODES = ("create", "update", "delete", "profile")


async def validate(ctx: Context, call: Call) -> Answer:
    """Answer 200 with an OperationOutcome of every issue found in the resource given, or in the one stored."""
    body = call.resource
    plain = isinstance(body, dict) and body.get("resourceType") != "Parameters"
    values = inputs(call, ("resource", "mode", "profile", *WISHES), body=not plain)
    mode, profile = text(values, "mode"), text(values, "profile")
    if mode not in {None, *MODES}:
        raise NotSupported(
            f"$validate takes mode {', '.join(MODES)}, not '{str(mode)[:64]}'",
            f"$validate nhận mode {', '.join(MODES)}, không nhận '{str(mode)[:64]}'",
        )
    given = body if plain else values.get("resource")
    if mode == "delete":
        issues = await _deleted(ctx, call)
    else:
        wishes = {argument: _wished(values, name) for name, argument in WISHES.items()}
        issues = await _issues(ctx, call, await _resource(ctx, call, given), mode, profile, wishes)
    if not issues:
        issues = [Issue("information", "informational", "No issues found", "Không phát hiện lỗi")]
    return Answer(200, wire.dumps(outcome(issues, ctx.language)))


async def _resource(ctx: Context, call: Call, given: Any) -> Any:
    """Return the resource given, else the one stored; raise BadRequest when there is none of this type."""
    if given is None and call.type and call.id:
        given = wire.loads((await read.current(ctx, call.type, call.id)).raw or b"{}")
    if not isinstance(given, dict) or not isinstance(given.get("resourceType"), str):
        raise BadRequest("There is no resource to validate", "Không có tài nguyên để kiểm tra")
    if call.type is not None and given["resourceType"] != call.type:
        raise BadRequest(
            f"The resource is a {given['resourceType'][:64]}, the address says {call.type}",
            f"Tài nguyên là {given['resourceType'][:64]} nhưng địa chỉ là {call.type}",
        )
    return given


def _wished(values: dict[str, Any], name: str) -> bool:
    if values.get(name) not in (None, True, False, "true", "false"):
        raise BadRequest(f"Parameter '{name}' is true or false", f"Tham số '{name}' là true hoặc false")
    return values.get(name) in (True, "true")


async def _issues(
    ctx: Context, call: Call, resource: Any, mode: str | None, profile: str | None, wishes: dict[str, bool]
) -> list[Issue]:
    """Return what is wrong with the resource, and with storing it in this way."""
    known = profile is None or _known(ctx, profile)
    report = check.validated(ctx, resource, [profile] if profile and known else [], **wishes)
    issues = [*report.issues, *await check.missing(ctx, report.questions)]
    if not known:
        issues.append(_unknown(str(profile)))
    if mode == "update":
        issues += await _updated(ctx, call, resource)
    return issues


def _known(ctx: Context, profile: str) -> bool:
    url = profile.partition("|")[0]
    types = ctx.server.definitions.resource_types
    return ctx.server.definitions.profile(url) is not None or (url.startswith(CORE) and url.removeprefix(CORE) in types)


def _unknown(profile: str) -> Issue:
    return Issue(
        "error",
        "not-found",
        f"The profile {profile[:200]} is not known here, so it was not checked: load its package, or correct the URL",
        f"Hồ sơ {profile[:200]} chưa có ở đây nên chưa được kiểm tra: hãy nạp gói chứa hồ sơ hoặc sửa URL",
        rule="validate-profile",
    )


async def _updated(ctx: Context, call: Call, resource: Any) -> list[Issue]:
    """Return why the resource could not be put: it has no id or another one, or nothing is there to update."""
    type, id = resource["resourceType"], call.id or resource.get("id")
    if not isinstance(id, str) or not write.ID.fullmatch(id):
        return [
            Issue("error", "required", "An update needs an id: add it", "Cập nhật cần có id: hãy bổ sung", f"{type}.id")
        ]
    if type not in ctx.server.definitions.resource_types:
        return []
    try:
        write.with_id(resource, id)
        write.require_update_create(ctx, await ctx.server.store.read(type, id), type, id)
    except FhirError as error:
        return list(error.issues)
    return []


async def _deleted(ctx: Context, call: Call) -> list[Issue]:
    """Return why the resource that the address names could not be deleted."""
    if not call.type or not call.id:
        raise BadRequest(
            "mode=delete is asked of one resource: [base]/[type]/[id]/$validate?mode=delete",
            "mode=delete chỉ dùng cho một tài nguyên: [base]/[type]/[id]/$validate?mode=delete",
        )
    try:
        await read.current(ctx, call.type, call.id)
    except FhirError as error:
        return list(error.issues)
    return []
