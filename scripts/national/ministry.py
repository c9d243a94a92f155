"""Set B: the Ministry of Health's draft 1.0.0, from the rows of its definitions.

https://github.com/hl7vn/vn-core-ig (8e6b6e0) · CC0-1.0

Changed where no validator could follow it, each time for all definitions alike:

* the second discriminator `value:value` of identifiers, for which no slice says anything, is left out;
* fixed CodeableConcepts are patterns, so that a display may differ;
* slices that only their parents tell apart are told apart by their own pattern or codes;
* an extension that calls itself a modifier is none;
* parents of IPS 1.0.0 are here as far as their rows were seen; where they were not, the base is R4's own type.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.national.notation import DATE, MOH, R4, Json, Publication
from scripts.national.tables import Facts, naming_system

IPS = "http://hl7.org/fhir/uv/ips"
PARENTS = Publication(
    "moh-ehealth",
    IPS,
    "1.0.0-partial",
    "HL7 International (facts); this project (form)",
    "Facts from https://github.com/HL7/fhir-ips of August 2020: rows that were seen, not the published profile.",
)
FOREIGN = {"http://snomed.info/sct", "http://terminology.hl7.org/CodeSystem/icd10"}  # not the ministry's to define
ROW = re.compile(r"(?P<path>\S+?)(?P<slice>:\S+)?(?: (?P<min>\d*)\.\.(?P<max>\d+|\*)?)?(?P<ms> S)?(?: |$)")


def resources(folder: Path) -> Iterator[Json]:
    """Yield the whole set; `folder` holds profiles/, codesystems/, valuesets/ and namingsystems.json."""
    parents = list(_parents(folder))
    yield from parents
    known = {parent["url"] for parent in parents}
    for row in _rows(folder / "profiles"):
        yield _profile(row, known)
    for row in _rows(folder / "codesystems"):
        if row["url"] not in FOREIGN:
            yield _code_system(row)
    for row in _rows(folder / "valuesets"):
        yield _value_set(row)
    for row in json.loads((folder / "namingsystems.json").read_text()):
        yield _number(row)


def _rows(folder: Path) -> Iterator[Json]:
    for path in sorted(folder.glob("*.json")):
        yield json.loads(path.read_text())


def _head(type: str, row: Json) -> Json:
    return {
        "resourceType": type,
        "id": _id(row),
        "url": row["url"],
        "version": row.get("version") or MOH.version,
        "name": "MOH_" + re.sub(r"\W+", "_", row["id"], flags=re.ASCII),
        "title": row.get("title") or row.get("name") or row["id"],
        "status": row.get("status") or "draft",
        "date": (row.get("date") or DATE)[:10],
        "publisher": MOH.publisher,
        "description": row.get("description") or row.get("name") or row["id"],
        "copyright": f"{MOH.copyright} {row['source']}",
    }


def _id(row: Json) -> str:
    return f"moh-{row['id']}".replace("_", "-")[:64].rstrip("-")


def _profile(row: Json, known: set[str]) -> Json:
    base = row["baseDefinition"]
    found = _head("StructureDefinition", row)
    if base.startswith(IPS) and base not in known:
        base = f"{R4}/{row['type']}"
        found["description"] += f" (The base {row['baseDefinition']} is not here: R4's own type in its place.)"
    elements = [element for element in map(_element, row["differential"]) if element is not None]
    if "." in elements[0]["path"]:
        elements.insert(0, {"id": row["type"], "path": row["type"]})
    elements = list(_sliced(elements))
    context = [{"type": part["type"], "expression": part["expression"]} for part in row["context"]]
    return {
        **found,
        "fhirVersion": "4.0.1",
        "kind": row["kind"],
        "abstract": False,
        **({"context": context} if row["type"] == "Extension" else {}),
        "type": row["type"],
        "baseDefinition": base,
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def _sliced(elements: list[Json]) -> Iterator[Json]:
    """Yield the elements, before the first slice of one that nobody sliced how its slices are told apart."""
    told = {element["id"] for element in elements if "slicing" in element}
    for element in elements:
        whole = element["id"].rpartition(":")[0]
        if "sliceName" in element and whole not in told and not element["path"].endswith("[x]"):
            told.add(whole)
            kind = "pattern" if any(name.startswith("pattern") for name in element) else "value"
            slicing = {"discriminator": [{"type": kind, "path": "$this"}], "ordered": False, "rules": "open"}
            known = next((other for other in elements if other["id"] == whole), None)
            if known is not None:
                known["slicing"] = slicing
            else:
                yield {"id": whole, "path": element["path"], "slicing": slicing}
        yield element


def _element(row: Json) -> Json | None:
    found: Json = {}
    for name, value in row.items():
        if name in ("min", "max"):
            found[name] = int(value) if name == "min" else str(value)
        elif name == "fixedCodeableConcept":
            found["patternCodeableConcept"] = {"coding": _without_display(value["coding"])}
        elif name == "patternCodeableConcept":
            codings = value.get("coding") or []
            listed = {"coding": codings if isinstance(codings, list) else [codings]} if codings else {}
            found[name] = value | listed
        elif name == "binding":
            found[name] = {key: part for key, part in value.items() if part is not None}
        elif name == "slicing":
            found["slicing"] = _slicing(value)
        elif name not in ("isModifier", "isModifierReason"):
            found[name] = value
    if "slicing" in found and not found["slicing"]["discriminator"]:
        del found["slicing"]
    if found.get("type"):
        found["type"] = [
            {name: value for name, value in kind.items() if value not in (None, [], "")} for kind in found["type"]
        ]
    return found


def _without_display(coding: Any) -> list[Json]:
    codings = coding if isinstance(coding, list) else [coding]
    return [{name: value for name, value in part.items() if name in ("system", "code")} for part in codings]


def _slicing(value: Json) -> Json:
    told = [part.split(":", 1) for part in value["discriminator"] if part != "value:value"]
    return {
        "discriminator": [{"type": type, "path": path} for type, path in told],
        "ordered": bool(value.get("ordered")),
        "rules": value["rules"],
    }


def _code_system(row: Json) -> Json:
    found = _head("CodeSystem", row)
    concepts = [{name: part[name] for name in ("code", "display") if part.get(name)} for part in row["concept"]]
    return {
        **found,
        "caseSensitive": True,
        "content": row["content"],
        **({"count": len(concepts), "concept": concepts} if concepts else {}),
    }


def _value_set(row: Json) -> Json:
    compose: dict[str, list[Json]] = {}
    for part in row["compose"]:
        kept = {name: value for name, value in part.items() if name != "op" and value}
        if "concept" in kept:
            kept["concept"] = [{name: value for name, value in code.items() if value} for code in kept["concept"]]
        compose.setdefault(part["op"], []).append(kept)
    return {**_head("ValueSet", row), "compose": compose}


def _number(row: Json) -> Json:
    ids = row["uniqueId"] if isinstance(row["uniqueId"], list) else [row["uniqueId"]]
    return naming_system(
        _id(row),
        f"{row['description']} {MOH.copyright}",
        Facts("high", (row.get("source") or "https://github.com/hl7vn/vn-core-ig/tree/8e6b6e0/input/resources",)),
        *(part["value"] for part in ids),
        publisher=MOH.publisher,
        status=row["status"],
    )


def _parents(folder: Path) -> Iterator[Json]:
    for path in sorted(folder.glob("ips-parent-*.json")):
        row = json.loads(path.read_text())
        type = row["differential_lines"][0].split(maxsplit=1)[0].partition(".")[0]
        rows = (ROW.match(line) for line in row["differential_lines"])
        elements = [
            found
            for match in rows
            if match is not None and match["slice"] is None and (found := _of_parent(match)).keys() - {"id", "path"}
        ]
        if elements[0]["path"] != type:
            elements.insert(0, {"id": type, "path": type})
        yield {
            **_head("StructureDefinition", row | {"title": f"{row['id']} (partial)"}),
            "version": PARENTS.version,
            "publisher": PARENTS.publisher,
            "description": "Cardinality and mustSupport of the parent; bindings to value sets of IPS are not here.",
            "copyright": f"{PARENTS.copyright} {row['source']}",
            "fhirVersion": "4.0.1",
            "kind": "resource",
            "abstract": False,
            "type": type,
            "baseDefinition": f"{R4}/{type}",
            "derivation": "constraint",
            "differential": {"element": elements},
        }


def _of_parent(match: re.Match[str]) -> Json:
    found: Json = {"id": match["path"], "path": match["path"]}
    if match["min"]:
        found["min"] = int(match["min"])
    if match["max"]:
        found["max"] = match["max"]
    if match["ms"]:
        found["mustSupport"] = True
    return found
