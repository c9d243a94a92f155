"""$everything: a patient's whole record: the Patient, its compartment, and what these refer to outside of it.

https://hl7.org/fhir/R4/patient-operation-everything.html

The compartment comes newest first, in pages; the first page begins with the Patient. Each page brings along the
resources that it refers to (Organization, Practitioner, Location, Medication, …), never those of another patient's
compartment.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fhir_server import wire
from fhir_server.interactions import across, compartment, cursor, read
from fhir_server.interactions import search as searching
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.compartment import Compartment
from fhir_server.interactions.history import moments
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, inputs
from fhir_server.outcome import BadRequest, TooCostly
from fhir_server.search import bundle, query
from fhir_server.search.query import DEFAULT_COUNT, MAX_COUNT
from fhir_server.server import Context
from fhir_server.store import LAST_SEQUENCE, Stored, sequence_at
from fhir_server.store.documents import MILLISECOND

Condition = dict[str, Any]
Key = tuple[str, str]

# The search parameters that tell when care was given, best first: a type's clinical date is the first that it has.
CLINICAL_DATES = (
    *("authoredon", "date", "onset-date", "effective-time", "effective", "whenhandedover", "occurrence", "started"),
    *("period", "collected", "datewritten", "datetime", "start-date", "sent", "authored", "created", "recorded"),
)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of the record."""

    given: tuple[tuple[str, str], ...]  # as the client wrote it, without the cursor
    count: int
    types: frozenset[str] | None  # None: every type
    low: int  # sequence: changed since
    dates: tuple[str, ...]  # search values of the clinical date
    cursor: str | None


async def everything(ctx: Context, call: Call) -> Answer:
    """Answer with one page of the record; 404 or 410 when there is no such Patient."""
    id = call.id or ""
    asked = _asked(ctx, call)
    patient = await read.current(ctx, "Patient", id)
    purpose = ("everything", id, sorted(pair for pair in asked.given if pair[0] != "_count"))
    after = cursor.read(ctx.server.cursor_key, purpose, asked.cursor)[0] if asked.cursor is not None else None
    page = [patient] if after is None and _wanted(asked, "Patient") and patient.sequence >= asked.low else []
    room = asked.count - len(page)
    key = None if after is None else (after,)
    found = await across.merged(ctx, await _conditions(ctx, Compartment("Patient", id), asked), key, room + 1)
    page += (match.stored for match in found[:room])
    along = await _referenced(ctx, page, asked)
    address = f"{ctx.base_url}/Patient/{id}/$everything"
    links = [("self", f"{address}?{urlencode(asked.given)}" if asked.given else address)]
    if len(found) > room:
        last = found[room - 1].stored.sequence if room else LAST_SEQUENCE
        following = (*asked.given, (cursor.NAME, cursor.sign(ctx.server.cursor_key, purpose, [last])))
        links.append(("next", f"{address}?{urlencode(following)}"))
    entries = [*_entries(ctx, page, "match"), *_entries(ctx, along, "include")]
    return Answer(200, bundle.searchset(links, entries))


def _wanted(asked: Asked, type: str) -> bool:
    return asked.types is None or type in asked.types


async def _conditions(ctx: Context, within: Compartment, asked: Asked) -> dict[str, Condition]:
    """Return the database condition of the compartment's resources by type, without the Patient itself."""
    types = [type for type in await across.stored_types(ctx, within) if _wanted(asked, type)]
    dated = await across.each(types, lambda type: _in_time(ctx, type, asked.dates))
    conditions = {}
    for type, in_time in zip(types, dated, strict=True):
        terms = [compartment.condition(ctx, within, type), *in_time]
        if asked.low:
            terms.append({"s": {"$gte": asked.low}})
        if type == within.type:
            terms.append({"_id": {"$ne": within.id}})
        conditions[type] = {"$and": terms}
    return conditions


async def _in_time(ctx: Context, type: str, dates: tuple[str, ...]) -> list[Condition]:
    """Return what holds of a resource whose clinical date lies in `dates`, or that has none."""
    known = ctx.server.indexer.catalogue.parameters(type)
    codes = [code for code in CLINICAL_DATES if code in known and known[code].type == "date"]
    if not dates or not codes:
        return []
    catalogue, code = ctx.server.indexer.catalogue, codes[0]
    ways = [[(code, value) for value in dates], [(f"{code}:missing", "true")]]
    found = [await searching.condition_of(ctx, query.parse(catalogue, type, way, now=ctx.now)) for way in ways]
    return [{"$or": [condition for condition in found if condition is not None]}]


async def _referenced(ctx: Context, page: Iterable[Stored], asked: Asked) -> list[Stored]:
    """Return what the page refers to outside of patients' compartments; raise TooCostly when that is too much."""
    inside = {"Patient", *ctx.server.definitions.compartments["Patient"]}
    known = ctx.server.definitions.resource_types
    named = {key for stored in page for key in _references(ctx, wire.loads(stored.raw or b"{}"))}
    keys = sorted(key for key in named if key[0] in known and key[0] not in inside and _wanted(asked, key[0]))
    most = ctx.server.settings.max_include
    if len(keys) > most:
        raise TooCostly(
            f"The page refers to more than {most} other resources: ask for smaller pages with _count",
            f"Trang này tham chiếu hơn {most} tài nguyên khác: hãy dùng trang nhỏ hơn với _count",
        )
    stored = await ctx.server.store.read_many(keys)
    return [found for key in keys if (found := stored.get(key)) is not None and found.raw is not None]


def _references(ctx: Context, value: Any) -> Iterable[Key]:
    """Yield the type and id of every reference to a resource of this server."""
    if isinstance(value, list):
        for item in value:
            yield from _references(ctx, item)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name == "reference" and isinstance(member, str):
                own = ctx.server.indexer.catalogue.context.base_url
                found = _REFERENCE.fullmatch(member.removeprefix(f"{own}/").removeprefix(f"{ctx.base_url}/"))
                if found:
                    yield found[1], found[2]
            else:
                yield from _references(ctx, member)


def _entries(ctx: Context, stored: Iterable[Stored], mode: bundle.Mode) -> list[bundle.Entry]:
    return [
        bundle.Entry(f"{ctx.base_url}/{each.type}/{each.id}", each.raw, mode) for each in stored if each.raw is not None
    ]


def _asked(ctx: Context, call: Call) -> Asked:
    """Read the parameters; raise BadRequest on one that is malformed."""
    values = inputs(call, ("start", "end", "_since", "_type", "_count", cursor.NAME), lists=("_type",))
    for name, value in values.items():
        if not isinstance(value, str) and not (name == "_count" and type(value) is int):
            raise BadRequest(f"Parameter '{name}' is one simple value", f"Tham số '{name}' là một giá trị đơn")
    given = tuple((name, str(value)) for name, value in values.items() if name != cursor.NAME)
    types = values.get("_type")
    known = ctx.server.definitions.resource_types
    return Asked(
        given=given,
        count=_count(str(values.get("_count", DEFAULT_COUNT))),
        types=None if types is None else frozenset(across.type_names(ctx, types, known)),
        low=sequence_at(moments(ctx, "_since", values["_since"])[0]) if "_since" in values else 0,
        dates=tuple(_limit(ctx, name, values[name]) for name in ("start", "end") if name in values),
        cursor=values.get(cursor.NAME),
    )


def _limit(ctx: Context, name: str, text: str) -> str:
    """Return the search value by which care counts that was still given at the start, or begun by the end."""
    if not _DATE.fullmatch(text):
        raise BadRequest(
            f"{name}={text[:64]} is no date: write for example 2026-03-01",
            f"{name}={text[:64]} không phải ngày: hãy viết ví dụ 2026-03-01",
        )
    start, end = moments(ctx, name, text)
    # As moments, for `ge` of a day leaves out a period that began before this day and ended on it.
    return f"ge{instant(start)}" if name == "start" else f"le{instant(end - MILLISECOND)}"


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise BadRequest(
            f"_count={text[:64]} is no whole number from 1", f"_count={text[:64]} không phải số nguyên từ 1"
        )
    return min(MAX_COUNT, int(text))
