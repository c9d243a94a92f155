"""$expand: the codes of a value set, one by one.

https://hl7.org/fhir/R4/valueset-operation-expand.html

Expansions are flat and come in the order in which the value set lists its codes, else in that of the code system;
with `excludeNested=false` and neither a page nor a filter a code stands below its parent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from fhir_server import wire
from fhir_server.interactions import codes, systems
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.interactions.systems import Listed, Source
from fhir_server.operations.call import Call, inputs
from fhir_server.operations.terminology import arguments
from fhir_server.operations.terminology.arguments import Values
from fhir_server.operations.terminology.validate_code import value_set
from fhir_server.outcome import BadRequest, Issue, TooCostly, Unprocessable
from fhir_server.server import Context
from terminology import folding
from terminology.concepts import Concept
from terminology.conditions import Active, Condition, Holds, Selectable, Words, every
from terminology.systems import display, speaks
from terminology.valuesets import Part, Versions, listed_only

Json = dict[str, Any]

KNOWN: Final = (
    *("url", "valueSet", "valueSetVersion", "context", "contextDirection", "filter", "date", "offset", "count"),
    *("includeDesignations", "designation", "includeDefinition", "activeOnly", "excludeNested", "excludeNotForUI"),
    *("excludePostCoordinated", "displayLanguage", "exclude-system", "system-version", "check-system-version"),
    "force-system-version",
)
LISTS: Final = ("designation", "exclude-system", "system-version", "check-system-version", "force-system-version")
LONGEST: Final = 200  # characters of a text filter
LANGUAGES: Final = "urn:ietf:bcp:47"
# https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.parameter: what shaped the expansion.
TOLD: Final = {
    "filter": "valueString",
    "activeOnly": "valueBoolean",
    "excludeNested": "valueBoolean",
    "excludeNotForUI": "valueBoolean",
    "displayLanguage": "valueCode",
    "includeDesignations": "valueBoolean",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """How the expansion is wanted."""

    at: date
    narrowed: Condition  # besides the value set's own conditions
    offset: int
    count: int | None
    language: str | None
    designations: tuple[str, ...] | None  # tokens; (): all; None: none
    excluded: tuple[tuple[str, str | None], ...]  # systems and versions
    nested: bool


async def expand(ctx: Context, call: Call) -> Answer:
    """Answer with the value set and its expansion, a page of it when asked; raise TooCostly when it is too long."""
    values = inputs(call, KNOWN, lists=LISTS)
    if values.get("filter") == "":  # a field that nobody has typed into yet
        del values["filter"]
    wish = _wish(ctx, values)
    resource, key = await value_set(ctx, call, values)
    versions = Versions(
        *(arguments.pinned(values, f"{name}system-version") for name in ("", "check-", "force-"))  # in this order
    )
    plan = await codes.planned(ctx, resource, key, versions)
    parts = [part for part in plan.parts if not _excluded(part, wish.excluded)]
    sources = [await _source(ctx, part) for part in parts]
    total, contains = await _page(ctx, list(zip(parts, sources, strict=True)), wish)
    expansion: Json = {
        "identifier": f"urn:uuid:{ctx.new_id()}",
        "timestamp": instant(ctx.now),
        "total": total,
        **({"offset": wish.offset} if wish.offset or wish.count is not None else {}),
        "parameter": [*_parameters(values, wish), *_versions(sources)],
        **({"contains": contains} if contains else {}),
    }
    return Answer(200, wire.dumps({**_described(resource, values), "expansion": expansion}))


def _wish(ctx: Context, values: Values) -> Wish:
    at, text = arguments.day(ctx, values), arguments.string(values, "filter")
    narrowed: list[Condition] = [Holds(at)]
    if arguments.flag(values, "activeOnly"):
        narrowed.append(Active())
    if arguments.flag(values, "excludeNotForUI"):
        narrowed.append(Selectable())
    if text is not None and len(text) > LONGEST:
        raise BadRequest(f"A filter may have {LONGEST} characters", f"filter dài tối đa {LONGEST} ký tự")
    if text is not None:
        narrowed.append(Words(folding.words(text)))
    arguments.flag(values, "excludePostCoordinated")  # no code of this server is post-coordinated
    tokens = tuple(arguments.several(values, "designation"))
    count, offset = arguments.number(values, "count"), arguments.number(values, "offset")
    whole = count is None and offset is None and text is None
    excluded = [canonical.partition("|") for canonical in arguments.several(values, "exclude-system")]
    return Wish(
        at=at,
        narrowed=every(narrowed),
        offset=offset or 0,
        count=count,
        language=arguments.string(values, "displayLanguage"),
        designations=tokens if tokens or arguments.flag(values, "includeDesignations") else None,
        excluded=tuple((system, version or None) for system, _, version in excluded),
        nested=whole and arguments.flag(values, "excludeNested") is False,
    )


def _excluded(part: Part, excluded: Iterable[tuple[str, str | None]]) -> bool:
    return any(system == part.system and version in (None, part.version) for system, version in excluded)


async def _source(ctx: Context, part: Part) -> Source:
    """Return where the concepts of a part come from; raise Unprocessable when nothing tells them all."""
    source = await systems.source(ctx, part.system, part.version)
    if source is not None and source.head.complete:
        return source
    if listed_only(part.condition):
        return Listed(part.system, source, part.listed)
    name = f"{part.system}|{part.version}" if part.version else part.system
    reason = ("is not known here", "chưa có ở đây") if source is None else ("is known in part only", "chỉ có một phần")
    en = f"The value set cannot be expanded: the code system {name[:300]} {reason[0]}"
    vi = f"Không thể liệt kê tập giá trị: hệ mã {name[:300]} {reason[1]}"
    raise Unprocessable(en, issues=[Issue("error", "not-found", en, vi)])


async def _page(ctx: Context, parts: Sequence[tuple[Part, Source]], wish: Wish) -> tuple[int, list[Json]]:
    """Return how many codes there are, and those of the page."""
    most = ctx.server.settings.max_expansion
    room = most + 1 if wish.count is None else min(wish.count, most + 1)
    total = 0
    contains: list[Json] = []
    for part, source in parts:
        skip = max(wish.offset - total, 0)
        page = await systems.page(source, every((part.condition, wish.narrowed)), skip, room - len(contains))
        total += page.total
        if room > most and total - wish.offset > most:
            raise _too_long(total, most)
        rows = [_row(part, source, concept, wish) for concept in page]
        contains += _nested(rows, page) if wish.nested else rows
    return total, contains


def _too_long(number: int, most: int) -> TooCostly:
    return TooCostly(
        f"The expansion has {number} codes, more than {most} at once: ask for pages with offset and count, or filter",
        f"Danh sách có {number} mã, vượt quá {most} mã một lần: hãy dùng offset và count, hoặc filter",
    )


def _row(part: Part, source: Source, concept: Concept, wish: Wish) -> Json:
    listed = part.listed.get(concept.code, {})
    name = display(concept, wish.language, source.head.language)
    if wish.language is None and listed.get("display"):
        name = listed["display"]
    version = part.version or source.head.version
    row: Json = {"system": part.system, **({"version": version} if version else {}), "code": concept.code}
    if concept.abstract:
        row["abstract"] = True
    if concept.inactive:
        row["inactive"] = True
    if name:
        row["display"] = name
    if wish.designations is not None:
        found = [*listed.get("designation", ()), *concept.designations]
        chosen = [each for each in found if not wish.designations or _wanted(each, wish.designations)]
        if chosen:
            row["designation"] = chosen
    return row


def _wanted(designation: Json, tokens: Iterable[str]) -> bool:
    use = designation.get("use", {})
    for token in tokens:
        system, bar, code = token.partition("|")
        if not bar:
            system, code = "", token
        if system in ("", LANGUAGES) and speaks(designation.get("language"), code):
            return True
        if code == use.get("code") and system in ("", use.get("system")):
            return True
    return False


def _nested(rows: Sequence[Json], concepts: Sequence[Concept]) -> list[Json]:
    """Put each row below that of its first parent that is there; of a ring the first stays where it is."""
    by_code = {row["code"]: (row, concept) for row, concept in zip(rows, concepts, strict=True)}
    above: dict[str, str] = {}
    for concept in concepts:
        parent = next((code for code in concept.parents if code in by_code), None)
        if parent is not None and not _in_ring(concept, by_code[parent][1], above):
            above[concept.code] = parent
    for row in rows:
        if row["code"] in above:
            by_code[above[row["code"]]][0].setdefault("contains", []).append(row)
    return [row for row in rows if row["code"] not in above]


def _in_ring(concept: Concept, parent: Concept, above: Mapping[str, str]) -> bool:
    """Return whether a concept would come to lie below itself."""
    if concept.code != parent.code and concept.code not in parent.ancestors:
        return False
    code: str | None = parent.code
    while code is not None and code != concept.code:
        code = above.get(code)
    return code is not None


def _parameters(values: Values, wish: Wish) -> Iterable[Json]:
    """Yield what shaped the expansion, for whoever keeps it."""
    yield {"name": "date", "valueDateTime": wish.at.isoformat()}
    for name, kind in TOLD.items():
        if name in values:
            value = values[name] if kind != "valueBoolean" else arguments.flag(values, name)
            yield {"name": name, kind: value}
    for name in ("offset", "count"):
        if name in values:
            yield {"name": name, "valueInteger": arguments.number(values, name)}
    for name in LISTS:
        for text in arguments.several(values, name):
            yield {"name": name, "valueString" if name == "designation" else "valueUri": text}


def _versions(sources: Iterable[Source]) -> Iterable[Json]:
    """Yield the versions of the code systems that were used."""
    for shown in dict.fromkeys(source.head.shown for source in sources if source.head.version):
        yield {"name": "version", "valueUri": shown}


def _described(resource: Json, values: Values) -> Json:
    """Return the value set without its expansion, and without its definition unless that is asked for."""
    if arguments.flag(values, "includeDefinition"):
        return {name: value for name, value in resource.items() if name != "expansion"}
    kept = ("id", "url", "version", "name", "title", "status", "experimental", "publisher")
    told = {name: resource[name] for name in kept if name in resource}
    return {"resourceType": "ValueSet", "status": "unknown", **told}
