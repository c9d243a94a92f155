"""$translate: what a code is called in another code system, by the concept maps that are stored and that ship.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from fhir_server.interactions import canonicals, read, search, systems
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.canonicals import Candidate
from fhir_server.interactions.codes import Coded
from fhir_server.operations.call import Call, escaped, inputs, parameters
from fhir_server.operations.terminology import arguments
from fhir_server.operations.terminology.arguments import Values
from fhir_server.outcome import BadRequest
from fhir_server.server import Context
from terminology.maps import DEEPEST, Dependency, Found, Map, Match, succeeds

Json = dict[str, Any]

KNOWN: Final = (
    *("url", "conceptMap", "conceptMapVersion", "code", "system", "version", "source", "coding", "codeableConcept"),
    *("target", "targetsystem", "dependency", "reverse"),
)
MOST: Final = 100  # maps that are asked when none is named


async def translate(ctx: Context, call: Call) -> Answer:
    """Answer with Parameters: result, message, match; codes that nothing maps are a false result, no error."""
    values = inputs(call, KNOWN, lists=("dependency",))
    reverse = arguments.flag(values, "reverse") or False
    codings = [_coding(await _spelled(ctx, coded)) for coded in _codes(values)]
    given, maps = await _maps(ctx, call, values, codings, reverse)
    found = Found()
    for coding in codings:
        for each in maps:
            part = await _translated(ctx, each, coding, values, reverse)
            found = Found(found.matches + part.matches, (), found.missing + part.missing)
    return parameters(_written(ctx, found, given))


def _codes(values: Values) -> list[Coded]:
    if arguments.form(values) == "codeableConcept":
        found = arguments.codings(values, "codeableConcept")
    else:
        system, version = arguments.string(values, "system"), arguments.string(values, "version")
        one = arguments.coded(values, "code", "coding", system, version)
        found = [] if one is None else [one]
    if not found or any(not coded.system for coded in found):
        raise BadRequest("A code comes with its system", "Mã phải đi kèm hệ mã (system)")
    return found


async def _spelled(ctx: Context, coded: Coded) -> Coded:
    """Return a code as its code system writes it, where that is the same in any case."""
    known = await canonicals.find(ctx, "CodeSystem", coded.system or "", coded.version)
    if known is None or known.resource.get("caseSensitive") is not False:
        return coded
    source = await systems.source(ctx, coded.system or "", coded.version)
    concept = None if source is None else (await source.find([coded.code])).get(coded.code)
    return coded if concept is None else coded._replace(code=concept.code)


def _coding(coded: Coded) -> Json:
    return {name: value for name, value in coded._asdict().items() if value is not None}


async def _maps(
    ctx: Context, call: Call, values: Values, codings: Sequence[Json], reverse: bool
) -> tuple[bool, list[Map]]:
    """Return whether a map is named, and the maps to ask."""
    candidate, given = await arguments.instance(ctx, call), arguments.resource(ctx, values, "conceptMap", "ConceptMap")
    if candidate is not None:
        return True, [_read(ctx, candidate)]
    if given is not None:
        return True, [Map(given)]
    if (url := arguments.string(values, "url")) is not None:
        version = arguments.string(values, "conceptMapVersion")
        return True, [_read(ctx, await arguments.named(ctx, "ConceptMap", url, version))]
    candidates = await _of_systems(ctx, {coding["system"] for coding in codings}, reverse)
    maps = [_read(ctx, each) for each in candidates]
    ends = [await _end(ctx, arguments.string(values, name)) for name in ("source", "target")]
    if reverse:
        ends.reverse()
    return False, [
        each
        for each in maps
        if all(_agree(asked, said) for asked, said in zip(ends, (each.source, each.target), strict=True))
    ]


async def _end(ctx: Context, text: str | None) -> str | None:
    """Return the canonical URL of a value set named by it, by its address here, or by its id."""
    if text is None:
        return None
    type, _, id = text.removeprefix(f"{ctx.base_url}/").rpartition("/")
    if type not in ("", "ValueSet") or ":" in id:
        return text
    stored = await read.current(ctx, "ValueSet", id)
    return str((await canonicals.of_stored(ctx, stored)).resource.get("url", text))


def _agree(asked: str | None, said: str | None) -> bool:
    """Return whether a map's end is the value set asked for, in that version where both name one."""
    if asked is None or said is None:
        return asked is None
    (url, version), (own, its) = canonicals.split(asked), canonicals.split(said)
    return url == own and (version is None or its in (None, version))


def _read(ctx: Context, candidate: Candidate) -> Map:
    kept = ctx.server.vocabulary.kept
    found: Map | None = kept.get(("map", candidate.key))
    if found is None:
        found = Map(candidate.resource)
        kept.put(("map", candidate.key), found, candidate.size)
    return found


async def _of_systems(ctx: Context, asked: Iterable[str], reverse: bool) -> list[Candidate]:
    """Return the active maps whose source (or target) is one of these code systems; stored ones hide those that ship.

    Of a map that is there in several versions only the best counts.
    """
    end = "target" if reverse else "source"
    urls: set[str] = set()
    for system in asked:
        stored = await search.matches(ctx, "ConceptMap", [(f"{end}-system", escaped(system))], MOST)
        read = await asyncio.gather(*(canonicals.of_stored(ctx, each) for each in stored))
        urls |= {each.resource["url"] for each in read if "url" in each.resource}
        urls |= await asyncio.to_thread(ctx.server.vocabulary.maps, end, system)
    best = await asyncio.gather(*(canonicals.find(ctx, "ConceptMap", url) for url in sorted(urls)))
    return [each for each in best if each is not None and each.resource.get("status") != "retired"]


async def _translated(ctx: Context, map: Map, coding: Json, values: Values, reverse: bool) -> Found:
    """Return what a map says of a code, and those that it hands over to where it does not hold the code."""
    system = arguments.string(values, "targetsystem")
    if reverse:
        return map.reverse(coding, system)
    dependencies = [_dependency(parts) for parts in values.get("dependency", ())]
    found, seen = map.translate(coding, system, dependencies), {map.url}
    matches, waiting, missing = list(found.matches), list(found.others), list(found.missing)
    while waiting and len(seen) <= DEEPEST:
        url, version = canonicals.split(waiting.pop(0))
        other = None if url in seen else await canonicals.find(ctx, "ConceptMap", url, version)
        seen.add(url)
        if other is not None:
            further = _read(ctx, other).translate(coding, system, dependencies)
            matches += further.matches
            waiting += further.others
            missing += further.missing
    return Found(tuple(matches), (), tuple(missing))


def _dependency(parts: Any) -> Dependency:
    """Read the parts of a `dependency`: the element and the CodeableConcept that it has; raise BadRequest."""
    rows = {row.get("name"): row for row in parts if isinstance(row, dict)} if isinstance(parts, list) else {}
    element = rows.get("element", {}).get("valueUri")
    concept = rows.get("concept", {}).get("valueCodeableConcept")
    if not isinstance(element, str) or not isinstance(concept, dict):
        raise BadRequest(
            "A dependency has the parts 'element' (valueUri) and 'concept' (valueCodeableConcept)",
            "Mỗi dependency gồm 'element' (valueUri) và 'concept' (valueCodeableConcept)",
        )
    codings = [arguments.of_coding(row) for row in concept.get("coding", ())]
    values = {(coded.system, coded.code) for coded in codings}
    text = concept.get("text")
    return Dependency(element, frozenset(values | ({(None, text)} if isinstance(text, str) else set())))


def _written(ctx: Context, found: Found, given: bool) -> list[Json]:
    unique = list({repr(match): match for match in found.matches}.values())
    result = succeeds(unique)
    rows: list[Json] = [{"name": "result", "valueBoolean": result}]
    if text := _message(found, result, given):
        rows.append({"name": "message", "valueString": arguments.said(ctx, text)})
    return rows + [{"name": "match", "part": _match(match)} for match in unique]


def _message(found: Found, result: bool, given: bool) -> tuple[str, str] | None:
    if found.missing:
        names = ", ".join(dict.fromkeys(found.missing))[:300]
        return (
            f"More would match with the value of: {names} (parameter 'dependency')",
            f"Cần thêm giá trị của: {names} (tham số 'dependency') để có thêm kết quả",
        )
    if result:
        return None
    if found.matches:
        return "The map says that there is no match", "Bảng ánh xạ cho biết không có mã tương ứng"
    if given:
        return "The map does not hold this code", "Bảng ánh xạ không có mã này"
    return "No concept map known here holds this code", "Không bảng ánh xạ nào ở đây có mã này"


def _match(match: Match) -> list[Json]:
    part: list[Json] = [{"name": "equivalence", "valueCode": match.equivalence}]
    if match.concept is not None:
        part.append({"name": "concept", "valueCoding": match.concept})
    for product in match.products:
        rows = [
            {"name": "element", "valueUri": product["element"]},
            {"name": "concept", "valueCoding": product["concept"]},
        ]
        part.append({"name": "product", "part": rows})
    if match.source:
        part.append({"name": "source", "valueUri": match.source})
    return part
