"""$package-add, $package-list, $package-remove: FHIR packages at run time, for administrators.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification · https://hl7.org/fhir/R4/operations.html
"""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from fhir_server.definitions import package
from fhir_server.definitions.package import NotAPackage, Package
from fhir_server.interactions import packages
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.outcome import BadRequest, Unprocessable
from fhir_server.server import Context
from fhir_server.store import Record

Json = dict[str, Any]

NOTES: Final = 100  # in one answer


async def add(ctx: Context, call: Call) -> Answer:
    """Add the package given as `package` (base64 of the .tgz), in place of another version of it; answer what it is."""
    given = text(inputs(call, ("package",)), "package")
    if given is None:
        raise BadRequest(
            "Send Parameters with one parameter 'package', a valueBase64Binary: the .tgz of a FHIR package",
            "Hãy gửi Parameters có một tham số 'package' kiểu valueBase64Binary: tệp .tgz của gói FHIR",
        )
    try:
        content = base64.b64decode("".join(given.split()), validate=True)
        found = await asyncio.to_thread(package.unpacked, content)
    except (NotAPackage, binascii.Error) as error:
        raise Unprocessable(f"This is no FHIR package: {error}", f"Đây không phải gói FHIR: {error}") from None
    added = await packages.add(ctx, found)
    counts = (("written", added.written), ("removed", added.removed), ("leftOut", added.left_out))
    rows = [_row(added.record), *({"name": name, "valueInteger": count} for name, count in counts)]
    await ctx.server.live.caught_up()
    notes = [*await _lacking(ctx, found), *await asyncio.to_thread(lambda: list(_without_effect(ctx, found)))]
    told = notes if len(notes) <= NOTES else [*notes[:NOTES], f"{len(notes) - NOTES} more"]
    return parameters([*rows, *({"name": "note", "valueString": note} for note in told)])


async def _lacking(ctx: Context, found: Package) -> list[str]:
    """Return what is to be said of packages that are needed and not here; in another version they may serve as well."""
    stored = {record.name for record in await ctx.server.store.packages.records()}
    there = stored | ctx.server.live.sources.packages | {packages.CORE, found.name}
    return [f"It needs {each}, which is not here" for each in found.dependencies if each.partition("#")[0] not in there]


def _without_effect(ctx: Context, found: Package) -> Iterator[str]:
    """Yield what of a package that is in force cannot take effect."""
    knowledge = ctx.server.live.current
    for resource in found.resources:
        url = str(resource.get("url"))
        if resource["resourceType"] == "SearchParameter" and url in knowledge.refused:
            yield f"{url} cannot be searched by: {knowledge.refused[url][0].en}"
        if resource["resourceType"] == "StructureDefinition" and resource.get("derivation") == "constraint":
            yield from (f"{url}: {key} is not checked: {reason}" for key, reason in knowledge.validator.unchecked(url))


async def listed(ctx: Context, call: Call) -> Answer:
    """Answer with the packages that are stored: name, version, number of resources, when they were added."""
    inputs(call, ())
    return parameters([_row(record) for record in await ctx.server.store.packages.records()])


async def remove(ctx: Context, call: Call) -> Answer:
    """Remove the package `name` (of `version`, when given) with those of its resources that nobody changed since."""
    given = inputs(call, ("name", "version"))
    name = text(given, "name")
    if name is None:
        raise BadRequest("Say which package: give its name", "Hãy cho biết tên gói")
    count = await packages.remove(ctx, name, text(given, "version"))
    return parameters([{"name": "removed", "valueInteger": count}])


def _row(record: Record) -> Json:
    part: list[Json] = [
        {"name": "name", "valueString": record.name},
        {"name": "version", "valueString": record.version},
        {"name": "resources", "valueInteger": len(record.members)},
        {"name": "complete", "valueBoolean": record.complete},
        {"name": "added", "valueInstant": instant(record.added)},
    ]
    part += [{"name": "canonical", "valueUri": record.canonical}] if record.canonical else []
    part += [{"name": "title", "valueString": record.title}] if record.title else []
    return {"name": "package", "part": part}
