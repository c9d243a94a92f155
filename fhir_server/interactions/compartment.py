"""Compartments: the resources that have to do with one Patient, Encounter, RelatedPerson, Practitioner or Device.

https://hl7.org/fhir/R4/compartmentdefinition.html · https://hl7.org/fhir/R4/http.html#vsearch
"""

from typing import Any, NamedTuple

from fhir_server.outcome import BadRequest, Unavailable
from fhir_server.server import Context

Condition = dict[str, Any]


class Compartment(NamedTuple):
    """The compartment of one resource."""

    type: str
    id: str


def types(ctx: Context, within: Compartment) -> list[str]:
    """Return the types that can be in the compartment."""
    return sorted({within.type, *ctx.server.definitions.compartments[within.type]})


def condition(ctx: Context, within: Compartment, type: str) -> Condition:
    """Return the database condition of the resources of `type` in the compartment; raise BadRequest when none can be.

    A resource is in it when one of the references that the definition names leads to its resource, which is in it too.
    """
    catalogue = ctx.server.indexer.catalogue
    linking = ctx.server.definitions.compartments[within.type].get(type, [])
    known = catalogue.parameters(type)
    for code in linking:
        if code in known and (building := known[code].building) is not None:
            en, vi = building.reason
            raise Unavailable(f"Compartments cannot be searched yet: {code} of {type}: {en}", f"{code} ({type}): {vi}")
    entries = sorted({f"{known[code].name}|{within.id}|{within.type}" for code in linking if code in known})
    linked: Condition = {"ix": {"$in": entries}}
    if type == within.type:
        own: Condition = {"_id": within.id}
        return {"$or": [own, linked]} if entries else own
    if not entries:
        raise BadRequest(
            f"{type} is never in the compartment of a {within.type}; there can be: {', '.join(types(ctx, within))}",
            f"{type} không thuộc ngăn (compartment) của {within.type}; có thể là: {', '.join(types(ctx, within))}",
        )
    return linked


def narrowed(ctx: Context, within: Compartment | None, type: str, wanted: Condition | None) -> Condition | None:
    """Return `wanted` narrowed to the compartment; None when nothing can match."""
    if within is None:
        return wanted
    inside = condition(ctx, within, type)
    return None if wanted is None else {"$and": [inside, wanted]} if wanted else inside


def base_url(ctx: Context, within: Compartment | None) -> str:
    """Return what the address of a search begins with, before the type."""
    return ctx.base_url if within is None else f"{ctx.base_url}/{within.type}/{within.id}"
