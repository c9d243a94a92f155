"""$package-add, $package-list, $package-remove: FHIR packages at run time, for administrators.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification · https://hl7.org/fhir/R4/operations.html
"""

import asyncio
import base64
import binascii
from typing import Any

from fhir_server.definitions import package
from fhir_server.definitions.package import NotAPackage
from fhir_server.interactions import packages
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.outcome import BadRequest, Unprocessable
from fhir_server.server import Context
from fhir_server.store import Record

Json = dict[str, Any]


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
    refused = ctx.server.live.current.refused
    urls = {str(each.get("url")) for each in found.resources if each["resourceType"] == "SearchParameter"}
    rows += [
        {"name": "note", "valueString": f"{url} cannot be searched by: {refused[url][0].en}"}
        for url in sorted(urls & refused.keys())
    ]
    return parameters(rows)


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
