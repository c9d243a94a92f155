"""Issuing for some people at once: what they are due is found, signed, stored, and looked at once more.

Decision 5772/QĐ-BYT (2021); docs/decisions/0039-issuing-in-bulk.md

Whatever is asked of the database is asked for all of them together, and no more of it than is needed.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from fhir_server import wire
from fhir_server.certificates import attested, due
from fhir_server.certificates.due import Attested, Due, Held, Person
from fhir_server.certificates.formats import FORMATS, Content, Issuer
from fhir_server.interactions import compartment
from fhir_server.interactions.compartment import Compartment
from fhir_server.operations import signed_doses
from fhir_server.operations.issue_certificate import MAX_DOSES, registered, withdraw
from fhir_server.outcome import Unprocessable
from fhir_server.server import Context
from fhir_server.settings import Check
from fhir_server.store import Certificate, Withdrawal
from signing.refusal import Refused

Json = dict[str, Any]
Row = tuple[str, int, bytes]  # id, sequence, content
Given = tuple[str, int, bytes, str | None]  # and the id of the patient


@dataclass(frozen=True, slots=True)
class Job:
    """What is issued: formats, and the disease (None: what each format is for)."""

    id: str
    formats: tuple[str, ...]
    target: str | None


async def issue(ctx: Context, job: Job, issuer: Issuer, people: Sequence[Row]) -> Counter[str]:
    """Issue what `people` are due; return how many of them were looked at, and what became of them."""
    counts = Counter({"people": len(people)})
    given = await ctx.server.store.jobs.of_patients("Immunization", _entries(ctx, people))
    wanted = await asyncio.to_thread(_attested, people, given, job, counts)
    held = await ctx.server.store.register.latest([each.dose for each in wanted], job.formats)
    known = {key: Held(*each) for key, each in held.items()}
    until = {format: FORMATS[format].until(ctx.now, issuer) for format in job.formats}
    asked = (due.due(each, known.get((each.dose, each.format)), ctx.now, until[each.format]) for each in wanted)
    wishes = [wish for wish in asked if wish]
    if ctx.server.settings.signed_doses is not Check.OFF:
        wishes = await _signed(ctx, wishes, counts)
    certificates = await asyncio.to_thread(_issued, wishes, job, issuer, ctx.now, counts)
    fresh = await ctx.server.store.register.add(certificates) if certificates else set()
    counts["issued"] += len(fresh)
    versions = {f"Immunization/{id}": (sequence, raw) for id, sequence, raw, _ in given}
    versions |= {f"Patient/{id}": (sequence, raw) for id, sequence, raw in people}
    await _withdraw_corrected(ctx, [each for each in certificates if each.id in fresh], versions)
    return counts


def _entries(ctx: Context, people: Sequence[Row]) -> list[str]:
    """Return the index entries by which the doses of `people` are found; raise Unavailable while they are built."""
    conditions = (compartment.condition(ctx, Compartment("Patient", id), "Immunization") for id, _, _ in people)
    return [entry for condition in conditions for entry in condition["ix"]["$in"]]


def _attested(people: Sequence[Row], given: Sequence[Given], job: Job, counts: Counter[str]) -> list[Attested]:
    """Return what can be certified of each of `people` in each format, and count why the rest cannot."""
    # No figure of a certificate is a decimal, so the fast reader loses nothing.
    doses: dict[str | None, list[Json]] = {}
    for _, _, raw, patient in given:
        doses.setdefault(patient, []).append(orjson.loads(raw))
    persons = [Person(orjson.loads(raw), doses.get(id, ())) for id, _, raw in people]
    found = []
    for person in persons:
        if len(person.immunizations) > MAX_DOSES:
            counts["too-many-doses"] += 1
            continue
        for format in job.formats:
            try:
                found.append(due.attest(person, format, job.target))
            except Unprocessable as error:
                counts.update(due.rules(error))
    return found


async def _signed(ctx: Context, wishes: Sequence[Due], counts: Counter[str]) -> list[Due]:
    """Return the wishes whose doses their facilities have signed."""
    doses = {each.immunization["id"]: dict(each.immunization) for wish in wishes for each in wish.of.doses}
    states = await signed_doses.states(ctx, list(doses.values()))
    signed = {id for id, state in zip(doses, states, strict=True) if state.signed}
    found = [wish for wish in wishes if all(each.immunization["id"] in signed for each in wish.of.doses)]
    counts["dose-unsigned"] += len(wishes) - len(found)
    return found


def _issued(wishes: Sequence[Due], job: Job, issuer: Issuer, now: datetime, counts: Counter[str]) -> list[Certificate]:
    """Sign what is wished, each format by itself, and count why the rest cannot be."""
    ordered: dict[str, list[tuple[Due, Content]]] = {}
    for wish in wishes:
        try:
            content = due.ordered(wish, job.target, issuer, now)
        except Unprocessable as error:
            counts.update(due.rules(error))
            continue
        ordered.setdefault(wish.of.format, []).append((wish, content))
    certificates = []
    for format, rows in ordered.items():
        try:
            written = FORMATS[format].sign([content for _, content in rows], issuer)
        except Refused as refused:
            counts[refused.code] += len(rows)
            continue
        for (wish, (order, _, _)), each in zip(rows, written, strict=True):
            patient = str(order.patient["id"])
            certificates.append(registered(format, order.uvci, patient, each, None, wish.replaces))
    return certificates


async def _withdraw_corrected(
    ctx: Context, certificates: Sequence[Certificate], versions: Mapping[str, tuple[int, bytes]]
) -> None:
    """Withdraw those of `certificates` whose records were corrected while they were signed."""
    names = {name for each in certificates for name in each.basis}
    now: dict[str, int] = {}
    for type in ("Patient", "Immunization"):
        ids = [name.partition("/")[2] for name in names if name.startswith(f"{type}/")]
        found = await ctx.server.store.jobs.sequences(type, ids)
        now |= {f"{type}/{id}": sequence for id, sequence in found.items()}
    for name in names:
        if now.get(name) == versions[name][0]:
            continue
        type, _, id = name.partition("/")
        current = await ctx.server.store.read(type, id)
        raw = current.raw if current else None
        if reason := attested.changed(wire.loads(versions[name][1]), wire.loads(raw) if raw else None):
            void = tuple(each.id for each in certificates if name in each.basis)
            await withdraw(ctx, Withdrawal("superseded", reason, ctx.now, ids=void))
