"""The steps of a dose: $signing-input, $verify-dose, $sign-dose, $sign-doses, $dose-status, $signing-report.

Decision 5772/QĐ-BYT (2021) and Official Letter 1908/BYT-CNTT (2022); docs/life-of-a-dose.md tells how they follow.
"""

import asyncio
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server import wire
from fhir_server.certificates import attested, dose_steps, doses
from fhir_server.certificates.dose_steps import METHODS, Register, State
from fhir_server.certificates.signature_problems import vietnamese
from fhir_server.interactions import read, write
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.search import matches
from fhir_server.interactions.stamp import instant
from fhir_server.operations import signed_doses
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.outcome import BadRequest, Issue, TooCostly, Unprocessable
from fhir_server.search.types import date
from fhir_server.server import Context
from signing.refusal import Refused

Json = dict[str, Any]

MAX_SIGNATURES = 1000  # in one call
MAX_REPORTED = 2000  # doses of one facility in one report


async def signing_input(ctx: Context, call: Call) -> Answer:
    """Answer with the exact bytes that the facility signs, their digest, and the version they are taken from."""
    inputs(call, ())
    stored = await read.current(ctx, "Immunization", call.id or "")
    dose = wire.loads(stored.raw or b"{}")
    return parameters(
        [
            {"name": "input", "valueBase64Binary": b64encode(attested.signing_input(dose)).decode()},
            {"name": "sha256", "valueString": attested.digest(dose)},
            {"name": "version", "valueId": str(stored.version)},
        ]
    )


async def verify(ctx: Context, call: Call) -> Answer:
    """Record that somebody has verified a dose, and how; answer with how far the dose has come."""
    values = inputs(call, ("verifier", "method"))
    by, method = _reference(values, "verifier"), text(values, "method")
    if by is None or method not in METHODS:
        raise BadRequest(
            f"Give verifier (a Reference to who verified) and method: {', '.join(METHODS)}",
            f"Hãy gửi verifier (Reference tới người xác minh) và method: {', '.join(METHODS)}",
        )
    dose = await _dose(ctx, call.id or "")
    await _record(ctx, [dose_steps.verification(dose, by, method, instant(ctx.now))])
    return await _status(ctx, dose)


async def sign(ctx: Context, call: Call) -> Answer:
    """Keep the signature of a facility over one dose; answer with how far the dose has come."""
    values = inputs(call, ("jws", "signer"))
    by = _reference(values, "signer")
    if "signer" in values and by is None:
        raise BadRequest(
            "signer is a Reference to the organisation that signs", "signer là Reference tới tổ chức ký thay"
        )
    dose = await _dose(ctx, call.id or "")
    await _keep(ctx, [(dose, text(values, "jws") or "", by)])
    return await _status(ctx, dose)


async def sign_many(ctx: Context, call: Call) -> Answer:
    """Keep the signatures over many doses, all or none; answer with their number.

    Each parameter `signature` has the parts dose (Reference), jws and, where it is not the facility, signer.
    """
    rows = _signatures(call.resource)
    keys = [("Immunization", name.removeprefix("Immunization/")) for name, _, _ in rows]
    stored = await ctx.server.store.read_many(keys)
    missing = [id for _, id in keys if (found := stored.get(("Immunization", id))) is None or found.raw is None]
    if missing:
        raise Unprocessable("", issues=[_unknown(id) for id in missing[:100]])
    given = [wire.loads(stored[key].raw or b"{}") for key in keys]
    await _keep(ctx, [(dose, jws, by) for dose, (_, jws, by) in zip(given, rows, strict=True)])
    return parameters([{"name": "signed", "valueInteger": len(rows)}])


async def status(ctx: Context, call: Call) -> Answer:
    """Answer with how far a dose has come, who brought it there, and the certificates on it."""
    inputs(call, ())
    return await _status(ctx, await _dose(ctx, call.id or ""))


async def report(ctx: Context, call: Call) -> Answer:
    """Answer with how many doses of a facility in a period are signed, how many on the day they were given."""
    values = inputs(call, ("facility", "date"), lists=("date",))
    facility = _reference(values, "facility") or text(values, "facility")
    days = (text(values, "date") or "").split(",")
    if not facility or not days[0]:
        raise BadRequest(
            "Give facility=Organization/[id] and date, as in a search: date=2026-11-22, or date=ge2026-11-01",
            "Hãy gửi facility=Organization/[id] và date như khi tìm kiếm: date=2026-11-22 hoặc date=ge2026-11-01",
        )
    params = [("performer", facility), ("status", "completed"), *(("date", day) for day in days)]
    found = await matches(ctx, "Immunization", params, MAX_REPORTED + 1)
    if len(found) > MAX_REPORTED:
        raise TooCostly(
            f"More than {MAX_REPORTED} doses: ask for a shorter period", f"Hơn {MAX_REPORTED} mũi tiêm: hãy thu hẹp kỳ"
        )
    given = [wire.loads(each.raw) for each in found if each.raw]
    states = await signed_doses.states(ctx, given)
    zone = ZoneInfo(ctx.server.settings.time_zone)
    kinds = [_kind(dose, state, zone) for dose, state in zip(given, states, strict=True)]
    counts = Counter(kinds)
    rows = [{"name": "doses", "valueInteger": len(given)}]
    rows += ({"name": kind, "valueInteger": counts[kind]} for kind in ("signedSameDay", "signedLater", "unsigned"))
    rows += (
        {"name": "unsignedDose", "valueReference": {"reference": f"Immunization/{dose['id']}"}}
        for dose, kind in zip(given, kinds, strict=True)
        if kind == "unsigned"
    )
    return parameters(rows)


def _kind(dose: Json, state: State, zone: ZoneInfo) -> str:
    if state.signed is None:
        return "unsigned"
    given = date.interval(dose.get("occurrenceDateTime", ""), zone)
    signed = datetime.fromisoformat(state.signed.at).astimezone(zone).date()
    return "signedSameDay" if given and given[0].astimezone(zone).date() == signed else "signedLater"


async def _dose(ctx: Context, id: str) -> Json:
    stored = await read.current(ctx, "Immunization", id)
    dose: Json = wire.loads(stored.raw or b"{}")
    return dose


async def _keep(ctx: Context, signatures: Sequence[tuple[Json, str, str | None]]) -> None:
    """Store the signatures over doses, by a signer or (None) by the facility; raise Unprocessable naming bad ones."""
    named = [(dose, jws, by or _facility(dose)) for dose, jws, by in signatures]
    signers = sorted({by.partition("/")[2] for _, _, by in named} - {""})
    register = await signed_doses.who_signs(ctx, [dose for dose, _, _ in named], signers)
    issues = await asyncio.to_thread(_problems, named, ctx.now, register)
    if issues:
        raise Unprocessable("Signatures are refused; none is kept", issues=issues)
    at = instant(ctx.now)
    await _record(ctx, [dose_steps.signature(dose, by, jws, at) for dose, jws, by in named])


def _facility(dose: Json) -> str:
    id = doses.facility(dose)
    return f"Organization/{id}" if id else "nobody"


def _problems(signatures: Sequence[tuple[Json, str, str]], at: datetime, register: Register) -> list[Issue]:
    issues = []
    for dose, jws, by in signatures:
        try:
            dose_steps.require_signed(dose, jws, by, at, register)
        except Refused as refused:
            issues.append(_refusal(str(dose["id"]), refused))
    return issues


async def _record(ctx: Context, provenances: Sequence[Json]) -> None:
    checked = [write.check(ctx, "Provenance", each).resource for each in provenances]
    await ctx.server.store.commit([write.put(ctx, each, ctx.new_id(), None, "POST") for each in checked])


async def _status(ctx: Context, dose: Json) -> Answer:
    [state] = await signed_doses.states(ctx, [dose])
    basis = f"Immunization/{dose['id']}"
    certificates = await ctx.server.store.register.on([basis], only_valid=True, limit=20)
    current = [each for each in certificates if each.expires > ctx.now]
    step = dose_steps.Step.ISSUED if current else state.step
    rows: list[Json] = [{"name": "step", "valueCode": step.value}]
    for name, mark in (("verified", state.verified), ("signed", state.signed)):
        if mark is not None:
            part = [
                {"name": "by", "valueReference": {"reference": mark.by}},
                {"name": "at", "valueInstant": mark.at},
                {"name": "how", "valueString": mark.how},
            ]
            rows.append({"name": name, "part": part})
    if state.refused is not None and state.signed is None:
        rows.append({"name": "signatureRefused", "valueString": str(state.refused)})
    rows += ({"name": "certificate", "valueUri": each.id} for each in current)
    return parameters(rows)


def _signatures(resource: Any) -> list[tuple[str, str, str | None]]:
    """Return (dose, jws, signer) of every parameter `signature`; raise BadRequest when one is not whole."""
    rows = resource.get("parameter") if isinstance(resource, dict) else None
    found = [_signature(row) for row in rows] if isinstance(rows, list) and len(rows) <= MAX_SIGNATURES else []
    whole = [each for each in found if each is not None]
    if not whole or len({dose for dose, _, _ in whole}) != len(found):
        raise BadRequest(
            f"Send Parameters with 1 to {MAX_SIGNATURES} parameters 'signature', each dose once, with the parts dose"
            " (valueReference Immunization/[id]), jws (valueString) and, if wanted, signer (valueReference)",
            f"Hãy gửi Parameters có 1 đến {MAX_SIGNATURES} tham số 'signature', mỗi mũi tiêm một lần, gồm dose"
            " (valueReference Immunization/[id]), jws (valueString) và nếu cần signer (valueReference)",
        )
    return whole


def _signature(row: Any) -> tuple[str, str, str | None] | None:
    """Return (dose, jws, signer) of one parameter `signature`; None when it is another or not whole."""
    parts = row.get("part") if isinstance(row, dict) and row.get("name") == "signature" else None
    if not (isinstance(parts, list) and all(isinstance(p, dict) and isinstance(p.get("name"), str) for p in parts)):
        return None
    values = {part["name"]: part.get("valueReference", part.get("valueString")) for part in parts}
    dose, jws, by = _reference(values, "dose"), values.get("jws"), _reference(values, "signer")
    if dose is None or not isinstance(jws, str) or ("signer" in values and by is None):
        return None
    return dose, jws, by


def _reference(values: Json, name: str) -> str | None:
    value = values.get(name)
    found = value.get("reference") if isinstance(value, dict) else None
    return found if isinstance(found, str) and "/" in found else None


def _unknown(id: str) -> Issue:
    return Issue(
        "error",
        "not-found",
        f"Immunization/{id[:64]} is not known here: record the dose first",
        f"Không có Immunization/{id[:64]}: hãy ghi nhận mũi tiêm trước",
    )


def _refusal(id: str, refused: Refused) -> Issue:
    return Issue(
        "error",
        "security",
        f"The signature over Immunization/{id} is refused: {refused.detail}",
        f"Chữ ký trên Immunization/{id} không được chấp nhận: {vietnamese(refused)}",
        "Parameters.parameter",
        f"dose-{refused.code}",
    )
