"""Small profiles for the tests of snapshots, and what is found in them.

https://hl7.org/fhir/R4/profiling.html
"""

from typing import Any

import pytest

from fhir_server.definitions import snapshots, structures
from fhir_server.outcome import Unprocessable

Json = dict[str, Any]
R4 = "http://hl7.org/fhir/StructureDefinition"
OWN = "http://example.org"


def profile(type: str, *elements: Json, base: str | None = None, url: str = f"{OWN}/one") -> Json:
    """Return a profile with these elements, of which the paths are those of the ids unless told."""
    rows = [
        {"path": ".".join(part.partition(":")[0] for part in row.get("id", "").split(".")), **row} for row in elements
    ]
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "name": "One",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": type,
        "baseDefinition": base or f"{R4}/{type}",
        "derivation": "constraint",
        "differential": {"element": rows},
    }


def found(definition: Json, *others: Json) -> dict[str, Json]:
    """Return the elements of the snapshot by id; `others` are known beside R4's own definitions."""
    known = {other["url"]: other for other in others}
    made = snapshots.generate(definition, lambda url: known.get(url) or structures.find(url))
    return {element["id"]: element for element in made["snapshot"]["element"]}


def refused(definition: Json, *others: Json) -> list[tuple[str | None, str | None]]:
    """Return place and rule of everything for which there is no snapshot."""
    with pytest.raises(Unprocessable) as error:
        found(definition, *others)
    assert all(issue.en != issue.vi for issue in error.value.issues)
    return [(issue.expression, issue.rule) for issue in error.value.issues]
