"""$closure: what is new in the table by which a client finds the kinds of a concept by itself.

https://hl7.org/fhir/R4/conceptmap-operation-closure.html · https://hl7.org/fhir/R4/terminology-service.html#closure

The name alone makes an empty table; concepts are added to it, and answered with the relations that are new by them; a
version is answered with those that came after it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fhir_server import wire
from fhir_server.interactions import systems
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.systems import Source
from fhir_server.operations.call import Call, inputs
from fhir_server.operations.terminology import arguments
from fhir_server.outcome import BadRequest, Conflict, NotFound, TooCostly, Unprocessable
from fhir_server.server import Context
from fhir_server.store.closures import Named, Table
from terminology.concepts import Concept

Json = dict[str, Any]
Code = tuple[str, str]  # system, code

NAME: Final = 128  # characters
AT_ONCE: Final = 1_000  # concepts of a call
MOST: Final = 10_000  # concepts of a table
SYSTEMS: Final = 50  # code systems of a table
ENTRIES: Final = 100_000  # relations of an answer
TRIES: Final = 8  # while others add to the same table


async def closure(ctx: Context, call: Call) -> Answer:
    """Answer with a ConceptMap of the relations that are new, and the version that the table has with them."""
    values = inputs(call, ("name", "concept", "version"), lists=("concept",))
    name = arguments.required(values, "name")
    if len(name) > NAME:
        raise BadRequest(f"A name has {NAME} characters at most", f"Tên có tối đa {NAME} ký tự")
    if "concept" in values and "version" in values:
        raise BadRequest(
            "Give concepts to add, or a version to go on from, not both",
            "Hãy gửi các khái niệm cần thêm hoặc phiên bản để tiếp tục, không gửi cả hai",
        )
    if "concept" in values:
        return await _added(ctx, name, _codes(values["concept"]))
    if "version" in values:
        return await _since(ctx, name, arguments.number(values, "version") or 0)
    table = await ctx.server.store.closures.begin(name, ctx.now)
    return _answer(ctx, name, table, {})


def _codes(given: Any) -> list[Code]:
    """Return system and code of each Coding; raise BadRequest when one lacks either, or has a version."""
    rows = given if isinstance(given, list) else [given]
    if len(rows) > AT_ONCE:
        raise TooCostly(
            f"A call takes {AT_ONCE} concepts at most: send them in several calls",
            f"Mỗi lần gọi nhận tối đa {AT_ONCE} khái niệm: hãy chia thành nhiều lần",
        )
    found = []
    for coded in map(arguments.of_coding, rows):
        if coded.version is not None or not coded.system or not coded.code:
            raise BadRequest(
                "A concept has a system and a code, and no version: the table follows the versions in force",
                "Khái niệm gồm system và code, không kèm version: bảng theo phiên bản đang có hiệu lực",
            )
        found.append((coded.system, coded.code))
    return list(dict.fromkeys(found))


async def _added(ctx: Context, name: str, codes: list[Code]) -> Answer:
    """Add concepts and answer with what is new; what no code system knows is `unmatched`, and not added."""
    closures = ctx.server.store.closures
    for _ in range(TRIES):
        table = await _table(ctx, name)
        there = {(each.system, each.code) for each in table.concepts}
        known = await _concepts(ctx, [*codes, *there])
        named = dict.fromkeys((code[0], known[code].code) for code in codes if code in known)
        fresh = [code for code in named if code not in there]
        if len(there) + len(fresh) > MOST:
            raise TooCostly(
                f"A closure table holds {MOST} concepts at most: begin another one",
                f"Bảng bao đóng chứa tối đa {MOST} khái niệm: hãy lập bảng khác",
            )
        version = table.version + bool(fresh)
        grown = Table(version, (*table.concepts, *(Named(*code, version) for code in fresh)))
        entries = _entries(grown, known, table.version)
        if not fresh or await closures.add(name, table.version, fresh, ctx.now):
            return _answer(ctx, name, grown, entries, [code for code in codes if code not in known])
    raise Conflict(
        "Others add to this table all the time: try again", "Bảng này đang được bổ sung liên tục: hãy thử lại"
    )


async def _since(ctx: Context, name: str, version: int) -> Answer:
    """Answer with what came after `version`; raise Unprocessable when the table never had it."""
    table = await _table(ctx, name)
    if version > table.version:
        raise Unprocessable(
            f"The table has version {table.version} and never had {version}: it was begun anew meanwhile; begin it "
            "(name alone) and send all concepts again",
            f"Bảng có phiên bản {table.version}, chưa từng có {version}: bảng đã được lập lại; hãy khởi tạo (chỉ gửi "
            "name) và gửi lại mọi khái niệm",
        )
    known = await _concepts(ctx, ((each.system, each.code) for each in table.concepts))
    return _answer(ctx, name, table, _entries(table, known, version))


async def _table(ctx: Context, name: str) -> Table:
    table = await ctx.server.store.closures.read(name)
    if table is None:
        raise NotFound(
            "There is no closure table with this name: begin it by a call with the name alone",
            "Chưa có bảng bao đóng với tên này: hãy khởi tạo bằng một lần gọi chỉ có name",
        )
    return table


async def _concepts(ctx: Context, codes: Iterable[Code]) -> dict[Code, Concept]:
    """Return those of `codes` that exist now, as asked and as the code system writes them.

    What is above them is left out where the hierarchy does not mean is-a.
    """
    of_system: dict[str, list[str]] = {}
    for system, code in codes:
        of_system.setdefault(system, []).append(code)
    if len(of_system) > SYSTEMS:
        raise TooCostly(
            f"A closure table is of {SYSTEMS} code systems at most: keep several tables",
            f"Bảng bao đóng gồm tối đa {SYSTEMS} hệ mã: hãy dùng nhiều bảng",
        )
    sources = await asyncio.gather(*(systems.source(ctx, url) for url in of_system))
    found = await asyncio.gather(*map(_found, sources, of_system.values()))
    return {
        (url, name): each
        for url, rows in zip(of_system, found, strict=True)
        for code, each in rows.items()
        for name in (code, each.code)  # which differ in a code system that does not tell small letters from capitals
    }


async def _found(source: Source | None, codes: list[str]) -> Mapping[str, Concept]:
    if source is None:
        return {}
    found = await source.find(codes)
    if source.head.hierarchy in (None, "is-a"):
        return found
    return {code: Concept(each.json, each.order) for code, each in found.items()}


def _entries(table: Table, known: Mapping[Code, Concept], after: int) -> dict[Code, list[str]]:
    """Return what is above each concept, of the relations that came after a version; raise TooCostly."""
    found: dict[Code, list[str]] = {}
    for number, (code, above) in enumerate(relations(table.concepts, known, after)):
        if number == ENTRIES:
            raise TooCostly(
                f"There are more than {ENTRIES} relations: ask from a later version on, or keep several tables",
                f"Có hơn {ENTRIES} quan hệ: hãy hỏi từ phiên bản sau hơn hoặc dùng nhiều bảng",
            )
        found.setdefault(code, []).append(above)
    return found


def relations(concepts: Iterable[Named], known: Mapping[Code, Concept], after: int) -> Iterator[tuple[Code, str]]:
    """Yield each concept with one of its system that is above it, where either of them was added after a version."""
    since = {(each.system, each.code): each.since for each in concepts}
    for (system, code), added in since.items():
        concept = known.get((system, code))
        for above in sorted(concept.ancestors) if concept else ():
            if max(added, since.get((system, above), -1)) > after and (system, above) in since:
                yield (system, code), above


def _answer(
    ctx: Context, name: str, table: Table, entries: Mapping[Code, list[str]], unmatched: Iterable[Code] = ()
) -> Answer:
    groups: dict[str, Json] = {}
    for (system, code), above in entries.items():
        group = groups.setdefault(system, {"source": system, "target": system, "element": []})
        targets = [{"code": each, "equivalence": "subsumes"} for each in above]
        group["element"].append({"code": code, "target": targets})
    for system, code in unmatched:
        group = groups.setdefault(system, {"source": system, "target": system, "element": []})
        group["element"].append({"code": code, "target": [{"equivalence": "unmatched"}]})
    found = {
        "resourceType": "ConceptMap",
        "identifier": {"value": name},
        "version": str(table.version),
        "status": "active",
        "experimental": True,
        "date": ctx.now.isoformat(timespec="seconds"),
        **({"group": list(groups.values())} if groups else {}),
    }
    return Answer(200, wire.dumps(found))
