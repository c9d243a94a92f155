"""$lookup: everything that a code system says of a code.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html
"""

from datetime import date
from typing import Any

from fhir_server.interactions import systems
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.codes import Coded
from fhir_server.interactions.systems import Source
from fhir_server.operations.call import Call, inputs, parameters
from fhir_server.operations.terminology import arguments
from fhir_server.outcome import BadRequest, NotFound
from fhir_server.server import Context
from terminology.concepts import CHILD, PARENT, Concept
from terminology.systems import LANGUAGE_PREFIX, display, speaks

Json = dict[str, Any]

KNOWN = ("code", "system", "version", "coding", "date", "displayLanguage", "property")


async def lookup(ctx: Context, call: Call) -> Answer:
    """Answer with Parameters: name, version, display, designation, property; 404 when the code is not known."""
    values = inputs(call, KNOWN, lists=("property",))
    coded = arguments.coded(values, "code", "coding", arguments.string(values, "system"), None)
    if coded is not None:
        coded = arguments.beside(values, coded, system="system", version="version")
    if coded is None or not coded.system:
        raise BadRequest("Give 'system' and 'code', or 'coding'", "Hãy gửi 'system' và 'code', hoặc 'coding'")
    source, concept = await found(ctx, coded)
    language = arguments.string(values, "displayLanguage")
    wanted = frozenset(arguments.several(values, "property"))
    rows = _described(source, concept, language, wanted)
    return parameters(rows + await _properties(source, concept, wanted, arguments.day(ctx, values), language))


async def found(ctx: Context, coded: Coded) -> tuple[Source, Concept]:
    """Return a code's system and what it says of the code; raise NotFound when either is not known."""
    system = (coded.system or "")[:200]
    source = await systems.source(ctx, coded.system or "", coded.version)
    if source is None:
        shown = f"{system}|{coded.version[:64]}" if coded.version else system
        raise NotFound(f"The code system {shown} is not known here", f"Hệ mã {shown} chưa có ở đây")
    concept = (await source.find([coded.code])).get(coded.code)
    if concept is None:
        en, vi = ("", "") if source.head.complete else (", of which only a part is known", ", hệ mã chỉ có một phần")
        raise NotFound(
            f"Unknown code '{coded.code[:80]}' in the code system {source.head.shown}{en} here",
            f"Ở đây không có mã '{coded.code[:80]}' trong hệ mã {source.head.shown}{vi}",
        )
    return source, concept


def _described(source: Source, concept: Concept, language: str | None, wanted: frozenset[str]) -> list[Json]:
    head = source.head
    rows: list[Json] = [{"name": "name", "valueString": head.name or head.title or head.url}]
    if head.version:
        rows.append({"name": "version", "valueString": head.version})
    rows.append({"name": "display", "valueString": display(concept, language, head.language) or concept.code})
    return rows + [
        {"name": "designation", "part": _designation(row)}
        for row in concept.designations
        if not wanted or "designation" in wanted or _in_language(row, wanted)
    ]


def _in_language(designation: Json, wanted: frozenset[str]) -> bool:
    languages = (name.removeprefix(LANGUAGE_PREFIX) for name in wanted if name.startswith(LANGUAGE_PREFIX))
    return any(speaks(designation.get("language"), language) for language in languages)


def _designation(row: Json) -> list[Json]:
    types = {"language": "valueCode", "use": "valueCoding", "value": "valueString"}
    return [{"name": name, types[name]: row[name]} for name in types if name in row]


async def _properties(
    source: Source, concept: Concept, wanted: frozenset[str], at: date, language: str | None
) -> list[Json]:
    head = source.head
    rows: list[Json] = []
    if "url" in wanted:
        rows.append(_property("url", {"valueUri": head.url}))
    if concept.json.get("definition"):
        rows.append(_property("definition", {"valueString": concept.json["definition"]}))
    gone = concept.inactive or not concept.since <= at <= concept.until
    rows.append(_property("inactive", {"valueBoolean": gone}))
    parents = (await source.find(concept.parents)).values()
    children = await source.children(concept.code) if not wanted or CHILD in wanted else []
    for name, related in ((PARENT, parents), (CHILD, children)):
        for each in related:
            text = display(each, language, head.language)
            rows.append(_property(name, {"valueCode": each.code}, text))
    for row in concept.json.get("property", ()):
        value = {key: row[key] for key in row if key.startswith("value")}
        if row.get("code") not in {PARENT, CHILD, "inactive"} and value:
            rows.append(_property(row["code"], value))
    return [row for row in rows if not wanted or row["part"][0]["valueCode"] in wanted]


def _property(code: str, value: Json, description: str | None = None) -> Json:
    part: list[Json] = [{"name": "code", "valueCode": code}, {"name": "value", **value}]
    if description is not None:
        part.append({"name": "description", "valueString": description})
    return {"name": "property", "part": part}
