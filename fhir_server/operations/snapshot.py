"""$snapshot: a profile with everything that its base says, laid out element by element.

https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html
"""

import asyncio
from functools import partial
from typing import Any

from fhir_server import wire
from fhir_server.definitions import Definitions, snapshots, structures
from fhir_server.interactions import canonicals, read
from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call, inputs, text
from fhir_server.outcome import BadRequest, NotFound
from fhir_server.server import Context

Json = dict[str, Any]


async def snapshot(ctx: Context, call: Call) -> Answer:
    """Answer 200 with the StructureDefinition that is stored, sent or named by `url`, and its snapshot, made anew.

    Raise Unprocessable when its differential does not fit its base.
    """
    definition = await _definition(ctx, call)
    made = await asyncio.to_thread(snapshots.generate, definition, partial(_known, ctx.server.definitions))
    return Answer(200, wire.dumps(made))


def _known(definitions: Definitions, url: str) -> Json | None:
    """Return the definition with that URL which is in force here, else R4's own; of a type of R4 always that."""
    name = url.removeprefix(snapshots.TYPES)
    own = None if name == url or definitions.type(name) is None else structures.find(url)
    return own or definitions.profiles.get(url) or structures.find(url)


async def _definition(ctx: Context, call: Call) -> Json:
    """Return the definition meant; raise BadRequest when it is not told which, NotFound or Gone."""
    if call.id is not None:
        inputs(call, ())
        stored: Json = wire.loads((await read.current(ctx, call.type or "", call.id)).raw or b"{}")
        return stored
    plain = isinstance(call.resource, dict) and call.resource.get("resourceType") == "StructureDefinition"
    values = inputs(call, ("definition", "url"), body=not plain)
    given, url = call.resource if plain else values.get("definition"), text(values, "url")
    if (given is None) == (url is None):
        raise BadRequest(
            "Give either a StructureDefinition as 'definition', or the 'url' of one",
            "Hãy gửi StructureDefinition trong 'definition' hoặc 'url' của nó, một trong hai",
        )
    if url is not None:
        return await _named(ctx, url)
    if not isinstance(given, dict) or given.get("resourceType") != "StructureDefinition":
        raise BadRequest("'definition' is a StructureDefinition", "'definition' là StructureDefinition")
    return given


async def _named(ctx: Context, canonical: str) -> Json:
    """Return the definition that a canonical means; raise NotFound."""
    url, version = canonicals.split(canonical)
    found = await asyncio.to_thread(_known, ctx.server.definitions, url)
    if found is None or version not in (None, found.get("version")):
        raise NotFound(
            f"The StructureDefinition {canonical[:200]} is not known here: store it, or load its package",
            f"StructureDefinition {canonical[:200]} chưa có ở đây: hãy lưu tài nguyên hoặc nạp gói chứa nó",
        )
    return found
