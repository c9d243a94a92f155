"""Supplements: further names and properties for the concepts of another code system.

https://hl7.org/fhir/R4/codesystem.html#supplements
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from terminology.concepts import Concept, concepts

Json = dict[str, Any]


def additions(resources: Iterable[Json]) -> dict[str, Json]:
    """Return by code what supplements add: `designation` and `property`. A display is a name in their language."""
    found: dict[str, Json] = {}
    for resource in resources:
        for concept in concepts([resource]):
            rows = found.setdefault(concept.code, {"designation": [], "property": []})
            if concept.display is not None:
                named = {"language": resource["language"]} if "language" in resource else {}
                rows["designation"].append({**named, "value": concept.display})
            rows["designation"] += concept.designations
            rows["property"] += concept.json.get("property", [])
    return found


def supplemented(concept: Concept, added: Mapping[str, Json]) -> Concept:
    """Return a concept with what is added to it; its place in the hierarchy stays."""
    more = added.get(concept.code, {})
    lists = {name: [*concept.json.get(name, []), *rows] for name, rows in more.items() if rows}
    return replace(concept, json={**concept.json, **lists}) if lists else concept
