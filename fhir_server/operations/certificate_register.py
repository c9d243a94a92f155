"""What became of certificates: $certificates of a person, the status of one, $revoke-certificates.

Decision 5772/QĐ-BYT (2021); docs/certificates.md describes them.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

from fhir_server import wire
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.search import matches
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.operations.issue_certificate import withdraw
from fhir_server.outcome import BadRequest, Issue, NotFound, TooCostly, Unprocessable
from fhir_server.server import Context
from fhir_server.store import Certificate, Withdrawal

Json = dict[str, Any]

MAX_SHOWN = 500  # certificates of one person
MAX_NAMED = 1000  # certificates that one call names
MAX_DOSES = 10_000  # of a facility and period, in one call
TOGETHER = 200
_KID = re.compile(r"[0-9A-Fa-f]{16}")
REASONS = ("issued-in-error", "fraud", "key-compromise", "entered-in-error", "at-the-person's-wish")


async def of_person(ctx: Context, call: Call) -> Answer:
    """Answer with every certificate that was issued to a person, the newest first, and how each stands."""
    inputs(call, ())
    found = await ctx.server.store.register.on([f"Patient/{call.id}"], limit=MAX_SHOWN)
    return parameters([{"name": "certificate", "part": _rows(ctx, each)} for each in found])


def status(ctx: Context, certificate: Certificate) -> str:
    """Return valid, expired, superseded or revoked."""
    expired = certificate.standing == "valid" and certificate.expires < ctx.now
    return "expired" if expired else certificate.standing


async def told(ctx: Context, call: Call) -> Answer:
    """Answer to the holder how a certificate stands: nothing about the person."""
    certificate = await kept(ctx, dict(call.params)["identifier"])
    body = {
        "identifier": certificate.id,
        "format": certificate.format,
        "status": status(ctx, certificate),
        "reason": certificate.reason,
        "issued": instant(certificate.issued),
        "expires": instant(certificate.expires),
        "changed": instant(certificate.changed) if certificate.changed else None,
        "replacedBy": certificate.replaced_by,
    }
    return Answer(200, wire.dumps(body), media_type="application/json")


async def kept(ctx: Context, identifier: str) -> Certificate:
    """Return the certificate that was issued here under this identifier; raise NotFound."""
    found = await ctx.server.store.register.read(identifier[:128])
    if found is None:
        raise NotFound("No certificate with this identifier was issued here", "Không có giấy chứng nhận với mã số này")
    return found


async def revoke(ctx: Context, call: Call) -> Answer:
    """Revoke certificates: those named, those on a dose, on the doses of a facility in a period, or of a key.

    Answer with their number. Repeating it changes nothing, so a call that was interrupted is simply made again.
    """
    values = inputs(call, ("certificate", "dose", "facility", "date", "kid", "reason"), lists=("certificate", "date"))
    reason = text(values, "reason")
    if reason not in REASONS:
        raise BadRequest(f"reason is one of {', '.join(REASONS)}", f"reason là một trong {', '.join(REASONS)}")
    count = 0
    async for wanted in _wanted(ctx, values, reason):
        while found := await withdraw(ctx, wanted):
            count += len(found)
    return parameters([{"name": "revoked", "valueInteger": count}])


async def _wanted(ctx: Context, values: Json, reason: str) -> AsyncIterator[Withdrawal]:
    """Yield what is to be revoked, some at a time; raise BadRequest unless exactly one way of choosing is given."""
    match {name: value for name, value in values.items() if name != "reason"}:
        case {"certificate": str(names), **rest} if not rest:
            named = tuple(names.split(","))
            await _require_issued(ctx, named)
            yield Withdrawal("revoked", reason, ctx.now, ids=named)
        case {"dose": {"reference": str(dose)}, **rest} if not rest and dose.startswith("Immunization/"):
            yield Withdrawal("revoked", reason, ctx.now, basis=(dose,))
        case {"facility": {"reference": str(facility)}, "date": str(days), **rest} if not rest and _is_one(facility):
            params = [("performer", facility), *(("date", day) for day in days.split(","))]
            found = await matches(ctx, "Immunization", params, MAX_DOSES + 1)
            if len(found) > MAX_DOSES:
                raise TooCostly(
                    f"More than {MAX_DOSES} doses: revoke shorter periods one after the other",
                    f"Hơn {MAX_DOSES} mũi tiêm: hãy thu hồi lần lượt theo từng kỳ ngắn hơn",
                )
            for start in range(0, len(found), TOGETHER):
                some = tuple(f"Immunization/{each.id}" for each in found[start : start + TOGETHER])
                yield Withdrawal("revoked", reason, ctx.now, basis=some)
        case {"kid": str(kid), **rest} if not rest and _KID.fullmatch(kid):
            async for ids in ctx.server.store.register.signed_with(kid.lower()):
                yield Withdrawal("revoked", reason, ctx.now, ids=tuple(ids))
        case _:
            raise BadRequest(
                "Give certificate (uri), or dose (Reference to Immunization/[id]), or facility (Reference to"
                " Organization/[id]) and date, or kid (16 hexadecimal digits, as `fhir-server keys list` shows it)",
                "Hãy gửi certificate (uri), hoặc dose (Reference tới Immunization/[id]), hoặc facility (Reference tới"
                " Organization/[id]) và date, hoặc kid (16 chữ số hệ 16 như `fhir-server keys list` cho biết)",
            )


def _is_one(facility: str) -> bool:
    return facility.startswith("Organization/") and "," not in facility


async def _require_issued(ctx: Context, ids: tuple[str, ...]) -> None:
    """Raise Unprocessable naming the identifiers under which nothing was issued here: a misprint must not pass."""
    if len(ids) > MAX_NAMED:
        raise TooCostly(
            f"More than {MAX_NAMED} certificates in one call", f"Hơn {MAX_NAMED} giấy chứng nhận trong một lần"
        )
    found = [await ctx.server.store.register.read(each[:128]) for each in ids]
    unknown = [each[:128] for each, known in zip(ids, found, strict=True) if known is None]
    if unknown:
        issues = [
            Issue(
                "error",
                "not-found",
                f"No certificate {each} was issued here; none is revoked",
                f"Không có giấy chứng nhận {each} được cấp tại đây; chưa thu hồi giấy nào",
                "Parameters.parameter",
            )
            for each in unknown[:100]
        ]
        raise Unprocessable("Unknown certificates: none is revoked", issues=issues)


def _rows(ctx: Context, certificate: Certificate) -> list[Json]:
    dated = {"issued": certificate.issued, "expires": certificate.expires, "changed": certificate.changed}
    rows: list[Json] = [
        {"name": "identifier", "valueUri": certificate.id},
        {"name": "format", "valueCode": certificate.format},
        {"name": "status", "valueCode": status(ctx, certificate)},
        *({"name": name, "valueInstant": instant(moment)} for name, moment in dated.items() if moment),
        {"name": "dose", "valueReference": {"reference": f"Immunization/{certificate.dose}"}},
    ]
    if certificate.reason:
        rows.append({"name": "reason", "valueCode": certificate.reason})
    if certificate.document:
        rows.append({"name": "document", "valueReference": {"reference": f"DocumentReference/{certificate.document}"}})
    links = {"replaces": certificate.replaces, "replacedBy": certificate.replaced_by}
    return [*rows, *({"name": name, "valueUri": uri} for name, uri in links.items() if uri)]
