"""Search by meaning: the codes that `:in`, `:not-in`, `:above` and `:below` stand for at this moment.

https://hl7.org/fhir/R4/search.html#modifiers

They come from the same sources as the terminology operations. Codes that are no longer in force count too: what was
recorded with them is to be found.
"""

import asyncio
from collections.abc import Iterable

from fhir_server.interactions import canonicals, codes, read, systems
from fhir_server.outcome import FhirError
from fhir_server.search.parameters import Catalogue
from fhir_server.search.types import token
from fhir_server.search.types.vocabulary import CODES
from fhir_server.search.values import Invalid, split, unescape
from fhir_server.server import Context
from terminology.conditions import Below
from terminology.valuesets import Part, codes_of, listed_only

Meaning = tuple[str, str]  # "in", "above" or "below", and the value as the client wrote it
Found = tuple[tuple[str, str], ...]  # system and code

KINDS = {"in": "in", "not-in": "in", "above": "above", "below": "below"}


async def catalogue(ctx: Context, params: Iterable[tuple[str, str]]) -> Catalogue:
    """Return the search parameters, which know what the values of `params` with such modifiers stand for."""
    known = ctx.server.indexer.catalogue
    asked = list(dict.fromkeys(_asked(params)))
    if not asked:
        return known
    found = await asyncio.gather(*(_meaning(ctx, *each) for each in asked))
    return known.knowing({each: codes for each, codes in zip(asked, found, strict=True) if codes is not None})


def _asked(params: Iterable[tuple[str, str]]) -> Iterable[Meaning]:
    for name, text in params:
        kind = KINDS.get(name.rpartition(":")[2])
        if kind is not None and ":" in name:
            yield from ((kind, value) for value in split(text, ","))


async def _meaning(ctx: Context, kind: str, text: str) -> Found | None:
    """Return the codes, one more than are allowed where there are more; None when they are not known here."""
    try:
        return await (_of_value_set(ctx, text) if kind == "in" else _of_hierarchy(ctx, kind, text))
    except (FhirError, Invalid):
        return None  # the search itself says why


async def _of_value_set(ctx: Context, text: str) -> Found | None:
    name = unescape(text)
    type, _, id = name.partition("/")
    if type == "ValueSet":
        candidate = await canonicals.of_stored(ctx, await read.current(ctx, type, id))
    else:
        found = await canonicals.find(ctx, "ValueSet", *canonicals.split(name))
        if found is None:
            return None
        candidate = found
    plan = await codes.planned(ctx, candidate.resource, candidate.key)
    parts = await asyncio.gather(*(_of_part(ctx, part) for part in plan.parts))
    known = [part for part in parts if part is not None]
    return None if len(known) < len(parts) else tuple(pair for part in known for pair in part)


async def _of_part(ctx: Context, part: Part) -> Found | None:
    source = await systems.source(ctx, part.system, part.version)
    if source is not None and source.head.complete:
        page = await systems.page(source, part.condition, 0, CODES + 1)
        return tuple((part.system, concept.code) for concept in page)
    listed = codes_of(part.condition)
    if listed is None or not listed_only(part.condition):
        return None
    return tuple((part.system, code) for code in listed)


async def _of_hierarchy(ctx: Context, kind: str, text: str) -> Found | None:
    wanted = token.parse(text)
    if not wanted.system or wanted.code is None:
        return None
    source = await systems.source(ctx, wanted.system)
    concept = None if source is None else (await source.find([wanted.code])).get(wanted.code)
    if source is None or concept is None:
        return None
    if kind == "above":
        return tuple((wanted.system, code) for code in (concept.code, *sorted(concept.ancestors)))
    page = await systems.page(source, Below(concept.code, own=True), 0, CODES + 1)
    return tuple((wanted.system, each.code) for each in page)
