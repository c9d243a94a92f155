"""$validate: what a create or an update would say, without storing anything.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from typing import Any

from fhir_server import wire
from fhir_server.interactions import read
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.write import missing
from fhir_server.operations.call import Call, inputs, text
from fhir_server.outcome import BadRequest, Issue, NotSupported, outcome
from fhir_server.server import Context


async def validate(ctx: Context, call: Call) -> Answer:
    """Answer 200 with an OperationOutcome of every issue found in the resource given, or in the one stored."""
    resource = await _resource(ctx, call)
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise BadRequest("There is no resource to validate", "Không có tài nguyên để kiểm tra")
    if call.type is not None and resource["resourceType"] != call.type:
        raise BadRequest(
            f"The resource is a {resource['resourceType'][:64]}, the address says {call.type}",
            f"Tài nguyên là {resource['resourceType'][:64]} nhưng địa chỉ là {call.type}",
        )
    report = ctx.server.validator.validate(resource)
    issues = [*report.issues, *await missing(ctx, report.questions)]
    if not issues:
        issues = [Issue("information", "informational", "No issues found", "Không phát hiện lỗi")]
    return Answer(200, wire.dumps(outcome(issues, ctx.language)))


async def _resource(ctx: Context, call: Call) -> Any:
    body = call.resource
    if isinstance(body, dict) and body.get("resourceType") != "Parameters":
        return body
    values = inputs(call, ("resource", "mode", "profile"))
    mode = text(values, "mode")
    if mode not in {None, "create", "update"} or "profile" in values:
        raise NotSupported(
            "$validate takes mode create or update here; a profile is checked when meta.profile declares it",
            "$validate nhận mode create hoặc update; hồ sơ (profile) được kiểm tra khi khai báo ở meta.profile",
        )
    if "resource" in values:
        return values["resource"]
    if call.type and call.id:
        return wire.loads((await read.current(ctx, call.type, call.id)).raw or b"{}")
    return None
