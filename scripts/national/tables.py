"""Code systems, value sets, concept maps and naming systems from tables of facts.

https://hl7.org/fhir/R4/terminology-module.html

Each says where its facts come from, when they were collected and how certain they are, in the extension
vn-imm-ext-facts; a concept that is less certain than its table says so in its property `certainty`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scripts.national.notation import DATE, OWN, Json, Publication, Text, head, name

Row = tuple[str, str, str]  # code, display, English designation ("" where the source has none)


class Facts(NamedTuple):
    """Where facts come from; `certainty` is high, medium or low."""

    certainty: str
    sources: tuple[str, ...]
    date: str = "2026-11"

    def extension(self) -> Json:
        """Return the extension that says it."""
        parts = [
            *({"url": "source", "valueString": source} for source in self.sources),
            {"url": "date", "valueDate": self.date},
            {"url": "certainty", "valueCode": self.certainty},
        ]
        return {"url": f"{OWN}/StructureDefinition/vn-imm-ext-facts", "extension": parts}


def _headed(of: Publication, type: str, id: str, title: Text, about: str, facts: Facts, **more: Any) -> Json:
    found = head(of, type, id, title, about, **more)
    at = list(found).index("url")
    items = list(found.items())
    return dict([*items[:at], ("extension", [facts.extension()]), *items[at:]])


def concept(row: Row, **properties: Any) -> Json:
    """Return a concept with its English designation and its properties, each by its FHIR type and name.

    `valueCode_status="retired"` is the property `status` with a code.
    """
    code, display, english = row
    found: Json = {"code": code, "display": display}
    if english:
        found["designation"] = [{"language": "en", "value": english}]
    if held := [property_of(key, value) for key, value in properties.items() if value not in (None, "")]:
        found["property"] = held
    return found


def property_of(key: str, value: Any) -> Json:
    """Return a concept's property: `valueDateTime_validTo` is the property validTo, a dateTime."""
    kind, _, code = key.partition("_")
    return {"code": code, kind: value}


PROPERTIES: Mapping[str, tuple[str, str]] = {
    "validFrom": ("dateTime", "First day on which the code is in force"),
    "validTo": ("dateTime", "Last day on which the code is in force"),
    "renamed": ("dateTime", "Day since which the unit has its present name; the former one is a designation"),
    "province": ("code", "Code of the province"),
    "district": ("code", "Code of the district"),
    "parent": ("code", "The concept above it"),
    "status": ("code", "active, or retired where it is no longer used for new records"),
    "certainty": ("code", "How certain the row is: high, medium or low"),
    "channel": ("code", "EPI, service, both or campaign"),
    "manufacturer": ("string", "Manufacturer"),
    "country": ("code", "Country of the manufacturer, ISO 3166-1"),
    "registration": ("string", "Registration number, where it was seen"),
    "target-disease": ("Coding", "A disease that the product protects from"),
    "icd-10": ("string", "Code or range of ICD-10"),
    "icsr": ("string", "Code of the HL7 guide on individual case safety reports"),
}
URIS = {
    "parent": "http://hl7.org/fhir/concept-properties#parent",
    "status": "http://hl7.org/fhir/concept-properties#status",
}


def code_system(
    of: Publication,
    id: str,
    title: Text,
    about: str,
    facts: Facts,
    concepts: Iterable[Json],
    *,
    content: str = "complete",
    value_set: str | None = None,
) -> Json:
    """Return a CodeSystem; the properties that its concepts have are declared from `PROPERTIES`."""
    rows = list(concepts)
    used = {part["code"] for row in rows for part in row.get("property", ())}
    declared = [
        {
            "code": code,
            **({"uri": URIS[code]} if code in URIS else {}),
            "description": description,
            "type": type,
        }
        for code, (type, description) in PROPERTIES.items()
        if code in used
    ]
    if undeclared := used - PROPERTIES.keys():
        raise ValueError(f"{id}: properties without a type: {undeclared}")
    return {
        **_headed(of, "CodeSystem", id, title, about, facts, experimental=False),
        "caseSensitive": True,
        "valueSet": value_set or of.url("ValueSet", id.removesuffix("-cs") + ("-vs" if id.endswith("-cs") else "")),
        "content": content,
        **({"count": len(rows)} if content == "complete" else {}),
        **({"property": declared} if declared else {}),
        "concept": rows,
    }


def value_set(of: Publication, id: str, title: Text, about: str, facts: Facts, *include: Json) -> Json:
    """Return a ValueSet."""
    return {
        **_headed(of, "ValueSet", id, title, about, facts, experimental=False),
        "compose": {"include": list(include)},
    }


def listed(system: str, codes: Iterable[str | tuple[str, str] | Row]) -> Json:
    """Return an include that names the codes of `system`, with a display where one is known."""
    concepts = []
    for row in codes:
        code, display, vietnamese = (row, "", "") if isinstance(row, str) else (*row, "")[:3]
        concepts.append(
            {"code": code}
            | ({"display": display} if display else {})
            | ({"designation": [{"language": "vi", "value": vietnamese}]} if vietnamese else {})
        )
    return {"system": system, "concept": concepts}


class Target(NamedTuple):
    """What a code is mapped to; `equivalence` as R4 defines it (target against source)."""

    code: str
    equivalence: str
    display: str = ""
    comment: str = ""


def group(source: str, target: str, rows: Iterable[tuple[str, str, Iterable[Target]]]) -> Json:
    """Return a ConceptMap.group: rows of (code, display, targets)."""
    elements = [
        {
            "code": code,
            **({"display": display} if display else {}),
            "target": [
                {name: value for name, value in zip(("code", "display"), (to.code, to.display), strict=True) if value}
                | {"equivalence": to.equivalence}
                | ({"comment": to.comment} if to.comment else {})
                for to in targets
            ],
        }
        for code, display, targets in rows
    ]
    return {"source": source, "target": target, "element": [row for row in elements if row["target"]]}


def concept_map(
    of: Publication,
    id: str,
    title: Text,
    about: str,
    facts: Facts,
    source: str,
    groups: Iterable[Json],
    target: str = "",
) -> Json:
    """Return a ConceptMap; `source` and `target` are value sets."""
    return {
        **_headed(of, "ConceptMap", id, title, about, facts, experimental=False),
        "sourceCanonical": source,
        **({"targetCanonical": target} if target else {}),
        "group": list(groups),
    }


def naming_system(id: str, about: str, facts: Facts, *uris: str, publisher: str = "", status: str = "draft") -> Json:
    """Return the NamingSystem of an identifier system; the first of `uris` is the preferred one."""
    return {
        "resourceType": "NamingSystem",
        "id": id,
        "extension": [facts.extension()],
        "name": name(id),
        "status": status,
        "kind": "identifier",
        "date": DATE,
        **({"publisher": publisher} if publisher else {}),
        "description": about,
        "uniqueId": [
            {
                "type": "oid" if uri.startswith("urn:oid:") else "uri",
                "value": uri.removeprefix("urn:oid:"),
                "preferred": place == 0,
            }
            for place, uri in enumerate(uris)
        ],
    }
