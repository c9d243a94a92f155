"""Definitions as compact facts: what the server needs of StructureDefinitions, SearchParameters and terminology.

With them scripts/build_definitions.py makes the file that ships with the server, and packages are read at run time.

https://hl7.org/fhir/R4/structuredefinition.html · https://hl7.org/fhir/R4/searchparameter.html
"""

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = f"{EXTENSIONS}structuredefinition-fhir-type"
REGEX = f"{EXTENSIONS}regex"
# True of every element by the structure of JSON itself; checked there, once.
STRUCTURAL_CONSTRAINTS = {"ele-1", "ext-1"}
# http://hl7.org/fhirpath/N1/#literals: strings and delimited identifiers, in which a backslash escapes; or one sign.
UNION_TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[()\[\]{}|]", re.DOTALL)


def structure(definition: Json) -> Json:
    """Return the facts of a base StructureDefinition: kind, base, elements of its snapshot."""
    elements = definition["snapshot"]["element"]
    facts: Json = {
        "kind": definition["kind"],
        "base": definition.get("baseDefinition", "").rpartition("/")[2] or None,
        "abstract": definition["abstract"],
        "elements": [element_facts(element) for element in elements],
    }
    if definition["kind"] == "resource":
        # R4's snapshots call Resource.id a string; https://hl7.org/fhir/R4/resource.html#Resource says `id`.
        own_id = next(element for element in facts["elements"] if element["path"] == f"{definition['type']}.id")
        own_id["types"] = [["id"]]
    if definition["kind"] == "primitive-type":
        facts["pattern"] = next((_pattern(element) for element in elements if _pattern(element)), None)
    return facts


# What validation needs of a profile's differential; the rest is for people to read.
PROFILE_FACTS = (
    *("url", "version", "name", "type", "kind", "abstract", "derivation", "baseDefinition"),
    *("context", "contextInvariant"),
)
RULES = frozenset(
    (
        *("id", "path", "sliceName", "slicing", "contentReference", "min", "max", "type"),
        *("binding", "constraint", "mustSupport", "maxLength"),
    )
)
VALUES = ("fixed", "pattern", "minValue", "maxValue")


def profile(definition: Json) -> Json:
    """Return a profile or extension without what is only for people to read."""
    facts = {name: definition[name] for name in PROFILE_FACTS if name in definition}
    elements = [_rules(element) for element in definition["differential"]["element"]]
    return {"resourceType": "StructureDefinition", **facts, "differential": {"element": elements}}


def _rules(element: Json) -> Json:
    return {name: value for name, value in element.items() if name in RULES or name.startswith(VALUES)}


def element_facts(element: Json) -> Json:
    """Return the facts of one ElementDefinition; what has its default value is left out."""
    facts: Json = {"path": element["path"], "min": element["min"], "max": element["max"]}
    if "contentReference" in element:
        facts["content"] = element["contentReference"].rpartition("#")[2]
    if types := [_type(kind) for kind in element.get("type", ())]:
        facts["types"] = types
    if binding := element.get("binding", {}):
        facts["binding"] = [binding["strength"], binding.get("valueSet", "").partition("|")[0]]
    constraints = [
        [rule["key"], rule["severity"], rule["human"], rule.get("expression", "")]
        for rule in element.get("constraint", ())
        if rule["key"] not in STRUCTURAL_CONSTRAINTS
    ]
    if constraints:
        facts["constraints"] = constraints
    if element.get("isSummary"):
        facts["summary"] = True
    if element.get("isModifier"):
        facts["modifier"] = True
    return facts


def _type(kind: Json) -> list[Any]:
    code = kind["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        told = [extension.get("valueUrl") for extension in kind.get("extension", ()) if extension["url"] == FHIR_TYPE]
        code = told[0] if told else code.rpartition(".")[2].lower()
    targets = [target.removeprefix(EXTENSIONS) for target in kind.get("targetProfile", ())]
    profiles = kind.get("profile", [])
    return [code, targets, profiles] if profiles else [code, targets] if targets else [code]


def _pattern(element: Json) -> str | None:
    for kind in element.get("type", ()):
        for extension in kind.get("extension", ()):
            if extension["url"] == REGEX:
                return str(extension["valueString"])
    return None


def search_parameters(definitions: Iterable[Json], known: Iterable[Json] = ()) -> list[Json]:
    """Return one row for each resource type of each search parameter, its expression cut to what speaks of the type.

    A composite may be made of parameters among `known`: definitions or rows. Raise KeyError when a part is in neither.
    """
    own = {definition["url"]: definition for definition in definitions}
    parts = {definition["url"]: definition for definition in known} | own
    rows = []
    for definition in own.values():
        for base in definition.get("base", ()):
            row = {"code": definition["code"], "type": definition["type"], "url": definition["url"], "base": base}
            if "expression" in definition:
                row["expression"] = expression_for(base, definition["expression"])
            if targets := definition.get("target"):
                row["targets"] = targets
            if components := definition.get("component"):
                row["components"] = [_component(component, parts) for component in components]
            rows.append(row)
    return rows


def _component(component: Json, known: dict[str, Json]) -> list[str]:
    definition = known[component["definition"].partition("|")[0]]
    return [definition["code"], definition["type"], component["expression"]]


def expression_for(base: str, expression: str) -> str:
    """Return the parts of a union that start at `base`, or the whole when none names a type.

    >>> expression_for("Condition", "AllergyIntolerance.code | Condition.code")
    'Condition.code'
    """
    parts = [part.strip() for part in split_union(expression)]
    own = [part for part in parts if re.match(rf"\(*{base}\b", part)]
    return " | ".join(own or parts)


def split_union(expression: str) -> list[str]:
    """Split at every `|` outside brackets and quotes."""
    parts, depth, start = [], 0, 0
    for token in UNION_TOKEN.finditer(expression):
        match token.group():
            case "(" | "[" | "{":
                depth += 1
            case ")" | "]" | "}":
                depth -= 1
            case "|" if depth == 0:
                parts.append(expression[start : token.start()])
                start = token.end()
    return [*parts, expression[start:]]


def compartment(definition: Json) -> dict[str, list[str]]:
    """Return the search parameters by which a resource of each type belongs to the compartment."""
    return {row["code"]: row["param"] for row in definition["resource"] if row.get("param")}


def code_system(definition: Json) -> Json:
    """Return `version`, `complete`, `supplement` and the concepts as `[code, display, parent]`, parents first."""
    return {
        "version": definition.get("version"),
        "complete": definition.get("content") == "complete",
        "supplement": "supplements" in definition,
        "caseSensitive": definition.get("caseSensitive", True),
        "concepts": list(_concepts(definition.get("concept", ()), None)),
    }


# Concept properties that say when a code may be chosen: days, both included.
VALID_FROM, VALID_TO = "validFrom", "validTo"


def periods(definition: Json) -> dict[str, tuple[str, str]]:
    """Return the first and last day of each concept of a CodeSystem that holds for a time; open ends are 0000, 9999."""
    found = {}
    waiting = list(definition.get("concept", ()))
    while waiting:
        concept = waiting.pop()
        waiting.extend(concept.get("concept", ()))
        days = {row["code"]: _day(row) for row in concept.get("property", ()) if row["code"] in (VALID_FROM, VALID_TO)}
        if days:
            found[concept["code"]] = (days.get(VALID_FROM, "0000"), days.get(VALID_TO, "9999"))
    return found


def _day(row: Json) -> str:
    return str(row.get("valueDateTime") or row.get("valueString") or row.get("valueCode") or "")[:10]


def _concepts(concepts: Iterable[Json], parent: str | None) -> Iterable[list[str | None]]:
    for concept in concepts:
        yield [concept["code"], concept.get("display"), parent]
        yield from _concepts(concept.get("concept", ()), concept["code"])
