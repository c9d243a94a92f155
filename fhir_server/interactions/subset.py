"""Parts of resources: `_summary` and `_elements`, from what the definitions mark as summary, mandatory, modifying.

Only here is a stored resource decoded to be answered; what is left out is told by the tag SUBSETTED.

https://hl7.org/fhir/R4/search.html#summary · https://hl7.org/fhir/R4/search.html#elements
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Element, Member
from fhir_server.search.query import Summary

Json = dict[str, Any]

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
ALWAYS = frozenset({"resourceType", "id", "meta"})
# A resource inside another one is described by its own type, not by the element it stands in.
_RESOURCES = frozenset({"Resource", "DomainResource"})


def whole(summary: Summary, elements: Sequence[str]) -> bool:
    """Return True when resources are to be answered as they are stored."""
    return not elements and summary in {"false", "count"}


def subset(definitions: Definitions, raw: bytes, summary: Summary, elements: Sequence[str] = ()) -> bytes:
    """Return the part of the resource `raw` that is asked for, tagged SUBSETTED.

    Mandatory elements, `id` and `meta` are always part of it; those that modify the meaning of others are unless only
    the text is asked for.
    """
    resource = wire.loads(raw)
    if elements:
        kept = _top(definitions, resource, lambda element: _named(element) in elements or element.modifier)
    elif summary == "true":
        kept = _summary(definitions, resource)
    elif summary == "text":
        kept = _top(definitions, resource, lambda element: element.name == "text")
    elif summary == "data":
        kept = _top(definitions, resource, lambda element: element.name != "text")
    else:
        return raw
    return wire.dumps(_tagged(kept))


def _named(element: Element) -> str:
    return element.name.removesuffix("[x]")


def _top(definitions: Definitions, resource: Json, wanted: Callable[[Element], bool]) -> Json:
    """Return the members of `resource` whose element is `wanted` or mandatory."""
    members = _of_resource(definitions, resource)
    return {
        name: value
        for name, value in resource.items()
        if name in ALWAYS or ((member := _member(members, name)) and (member.element.min or wanted(member.element)))
    }


def _of_resource(definitions: Definitions, resource: Json) -> Mapping[str, Member]:
    definition = definitions.type(resource.get("resourceType", ""))
    return {} if definition is None else definition.members


def _member(members: Mapping[str, Member], name: str) -> Member | None:
    return members.get(name.removeprefix("_"))


def _summary(definitions: Definitions, resource: Json) -> Json:
    members = _of_resource(definitions, resource)
    kept = {name: value for name, value in resource.items() if name in ALWAYS}
    return kept | _marked(definitions, resource, members)


def _marked(definitions: Definitions, value: Json, members: Mapping[str, Member]) -> Json:
    """Return the members of `value` that are marked as summary or mandatory, reduced in the same way."""
    found = {}
    for name, content in value.items():
        member = _member(members, name)
        if member is not None and (member.element.summary or member.element.min or member.element.modifier):
            found[name] = content if name.startswith("_") else _reduced(definitions, content, member)
    return found


def _reduced(definitions: Definitions, content: Any, member: Member) -> Any:
    if isinstance(content, list):
        return [_reduced(definitions, item, member) for item in content]
    if not isinstance(content, dict):
        return content
    if member.type in _RESOURCES:
        return _summary(definitions, content)
    members = definitions.members(member)
    if not any(each.element.summary for each in members.values()):
        return content  # a type whose definition marks nothing is answered whole
    return _marked(definitions, content, members) or content


def _tagged(resource: Json) -> Json:
    """Return `resource` with the tag; `meta` stays at its place, behind `id` when there was none."""
    meta = dict(resource.get("meta", {}))
    if not any(tag.get("code") == "SUBSETTED" for tag in meta.get("tag", ())):
        meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    if "meta" in resource:
        return {**resource, "meta": meta}
    first: Json = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    return {**first, "meta": meta, **resource}
