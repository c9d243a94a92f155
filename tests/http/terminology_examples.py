"""What the tests of the terminology service ask about: small definitions, and how they ask.

https://hl7.org/fhir/R4/terminology-service.html
"""

from typing import Any

import httpx

Json = dict[str, Any]

BASE = "http://example.org/fhir"
CS, OLD, PLACES = f"{BASE}/CodeSystem/animals", f"{BASE}/CodeSystem/old", f"{BASE}/CodeSystem/places"
UNKNOWN = f"{BASE}/CodeSystem/nowhere"
VS, MAP = f"{BASE}/ValueSet", f"{BASE}/ConceptMap/animals"


def concept(code: str, display: str, *below: Json, vi: str | None = None, **properties: Any) -> Json:
    row: Json = {"code": code, "display": display}
    if vi:
        row["designation"] = [{"language": "vi", "value": vi}]
    if properties:
        row["property"] = [
            {"code": name, ("valueBoolean" if isinstance(value, bool) else "valueCode"): value}
            for name, value in properties.items()
        ]
    return {**row, "concept": list(below)} if below else row


def code_system(url: str, *concepts: Json, **more: Any) -> Json:
    return {
        "resourceType": "CodeSystem",
        "id": url.rpartition("/")[2],
        "url": url,
        "version": "2",
        "name": url.rpartition("/")[2].title(),
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "concept": list(concepts),
        **more,
    }


def value_set(name: str, *include: Json, exclude: list[Json] | None = None, **more: Any) -> Json:
    compose = {"include": list(include), **({"exclude": exclude} if exclude else {})}
    return {
        "resourceType": "ValueSet",
        "id": name,
        "url": f"{VS}/{name}",
        "status": "active",
        "compose": {**compose, **more},
    }


def where(property: str, op: str, value: str, system: str = CS) -> Json:
    return {"system": system, "filter": [{"property": property, "op": op, "value": value}]}


def listed(*codes: str, system: str = CS) -> Json:
    return {"system": system, "concept": [{"code": code} for code in codes]}


ANIMALS = code_system(
    CS,
    concept(
        "animal",
        "Animal",
        concept(
            "mammal",
            "Mammal",
            concept("dog", "Dog", vi="Con chó Đông Dương", legs="4"),
            concept("cat", "Cat", vi="Con mèo", legs="4", colour="black"),
            concept("dodo-dog", "Extinct dog", inactive=True),
        ),
        concept("bird", "Bird", concept("hen", "Hen", legs="2")),
        notSelectable=True,
    ),
    concept("bat", "Bat", parent="mammal", legs="2"),
    hierarchyMeaning="is-a",
    property=[
        {"code": name, "type": kind} for name, kind in (("legs", "code"), ("colour", "code"), ("inactive", "boolean"))
    ],
)
ANIMALS_1 = {**code_system(CS, concept("dog", "Hound"), concept("wolf", "Wolf")), "id": "animals-1", "version": "1"}
WARDS = code_system(
    PLACES,
    {
        "code": "00001",
        "display": "Phường Phúc Xá",
        "property": [{"code": "validTo", "valueDateTime": "2025-06-30"}],
    },
    {
        "code": "00004",
        "display": "Phường Ba Đình",
        "property": [{"code": "validFrom", "valueDateTime": "2025-07-01"}],
    },
    {"code": "00099", "display": "Xã không đổi"},
    hierarchyMeaning="part-of",
)
PART = code_system(OLD, concept("a", "A"), content="fragment")
VALUE_SETS = [
    value_set("all", {"system": CS}),
    value_set("mammals", where("concept", "is-a", "mammal")),
    value_set("below-mammal", where("concept", "descendent-of", "mammal")),
    value_set("not-mammals", where("concept", "is-not-a", "mammal")),
    value_set("above-dog", where("concept", "generalizes", "dog")),
    value_set("some", where("concept", "in", "hen,dog,unicorn")),
    value_set("but-some", where("concept", "not-in", "hen,dog")),
    value_set("four-legs", where("legs", "=", "4")),
    value_set("coloured", where("colour", "exists", "true")),
    value_set("colourless", where("colour", "exists", "false")),
    value_set("regex", where("code", "regex", ".*a.")),
    value_set("legs-regex", where("legs", "regex", "[3-9]")),
    value_set("called", where("display", "=", "Cat")),
    value_set("children", where("parent", "=", "mammal")),
    value_set("gone", where("inactive", "=", "true")),
    value_set(
        "two-filters",
        {
            **where("legs", "=", "2"),
            "filter": [*where("legs", "=", "2")["filter"], *where("concept", "is-a", "mammal")["filter"]],
        },
    ),
    value_set("listed", {"system": CS, "concept": [{"code": "hen", "display": "Chicken"}, {"code": "dog"}]}),
    value_set("without", {"system": CS}, exclude=[where("concept", "is-a", "mammal"), listed("hen")]),
    value_set("imported", {"valueSet": [f"{VS}/mammals"]}, listed("hen")),
    value_set("common", {"system": CS, "filter": where("legs", "=", "2")["filter"], "valueSet": [f"{VS}/mammals"]}),
    value_set("both", {"valueSet": [f"{VS}/mammals", f"{VS}/four-legs"]}),
    value_set("active", where("concept", "is-a", "mammal"), inactive=False),
    value_set("two-systems", listed("dog"), {"system": PLACES}),
    value_set("first", {"system": CS, "version": "1"}),
    value_set("foreign", {"system": UNKNOWN, "concept": [{"code": "x", "display": "X"}]}),
    value_set("foreign-all", {"system": UNKNOWN}),
    value_set("orphan", {"valueSet": [f"{VS}/nobody"]}),
    value_set("ring", {"valueSet": [f"{VS}/gnir"]}),
    value_set("gnir", {"valueSet": [f"{VS}/ring"]}),
    value_set("odd-filter", where("legs", "is-a", "4")),
    value_set("lookahead", where("code", "regex", "(?=a).*")),
    value_set("old", {"system": OLD}),
    value_set("old-listed", listed("a", "b", system=OLD)),
    value_set("wards", {"system": PLACES}),
]
CONCEPT_MAP: Json = {
    "resourceType": "ConceptMap",
    "id": "animals",
    "url": MAP,
    "version": "7",
    "status": "active",
    "sourceUri": f"{VS}/all",
    "targetUri": f"{VS}/latin",
    "group": [
        {
            "source": CS,
            "target": f"{BASE}/latin",
            "element": [
                {"code": "dog", "target": [{"code": "canis", "display": "Canis", "equivalence": "equivalent"}]},
                {
                    "code": "cat",
                    "target": [
                        {"code": "felis", "equivalence": "narrower", "comment": "some"},
                        {"code": "panthera", "equivalence": "narrower", "comment": "some"},
                    ],
                },
                {"code": "bat", "target": [{"equivalence": "unmatched", "comment": "no word for it"}]},
                {
                    "code": "hen",
                    "target": [
                        {
                            "code": "gallina",
                            "equivalence": "wider",
                            "dependsOn": [{"property": f"{BASE}/sex", "system": f"{BASE}/sexes", "value": "female"}],
                            "product": [{"property": f"{BASE}/number", "value": "1"}],
                        }
                    ],
                },
            ],
            "unmapped": {"mode": "fixed", "code": "bestia", "display": "Bestia"},
        },
        {"source": CS, "target": f"{BASE}/same", "element": [{"code": "bat"}], "unmapped": {"mode": "provided"}},
        {
            "source": CS,
            "target": f"{BASE}/other",
            "element": [{"code": "bat"}],
            "unmapped": {"mode": "other-map", "url": f"{MAP}-more"},
        },
    ],
}
MORE: Json = {
    **CONCEPT_MAP,
    "id": "animals-more",
    "url": f"{MAP}-more",
    "group": [
        {
            "source": CS,
            "target": f"{BASE}/other",
            "element": [{"code": "dog", "target": [{"code": "D", "equivalence": "equal"}]}],
            "unmapped": {"mode": "other-map", "url": MAP},  # a ring
        }
    ],
}


async def stock(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Store the definitions above."""
    for resource in (ANIMALS_1, ANIMALS, WARDS, PART, *VALUE_SETS, CONCEPT_MAP, MORE):
        answer = await client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text
    return client


async def told(client: httpx.AsyncClient, address: str, **params: Any) -> dict[str, Any]:
    """Return the output parameters of an operation by name."""
    answer = await client.get(f"/fhir/{address}", params={name.replace("_", "-"): v for name, v in params.items()})
    assert answer.status_code == 200, answer.text
    return outputs(answer.json())


def outputs(parameters: Json) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in parameters["parameter"]:
        value = next((row[key] for key in row if key.startswith("value")), None)
        found[row["name"]] = [*found.get(row["name"], []), row["part"]] if "part" in row else value
    return found


def parts(rows: list[Json]) -> dict[str, Any]:
    return {row["name"]: next((row[key] for key in row if key != "name"), None) for row in rows}


def sent(**values: Any) -> Json:
    kinds = {"code": "valueCode", "system": "valueUri", "url": "valueUri", "display": "valueString"}
    rows = []
    for name, value in values.items():
        if name in {"valueSet", "codeSystem", "conceptMap"}:
            rows.append({"name": name, "resource": value})
        elif name.startswith("coding"):
            rows.append({"name": name, "valueCoding": value})
        elif name == "codeableConcept":
            rows.append({"name": name, "valueCodeableConcept": value})
        elif isinstance(value, bool):
            rows.append({"name": name, "valueBoolean": value})
        else:
            rows.append({"name": name, kinds.get(name, "valueString"): value})
    return {"resourceType": "Parameters", "parameter": rows}


async def asked(client: httpx.AsyncClient, address: str, **values: Any) -> dict[str, Any]:
    answer = await client.post(f"/fhir/{address}", json=sent(**values))
    assert answer.status_code == 200, answer.text
    return outputs(answer.json())


async def expanded(client: httpx.AsyncClient, name: str, **params: Any) -> Json:
    query = {key.replace("_", "-"): value for key, value in params.items()}
    answer = await client.get("/fhir/ValueSet/$expand", params={"url": f"{VS}/{name}", **query})
    assert answer.status_code == 200, answer.text
    expansion: Json = answer.json()["expansion"]
    return expansion


def codes(expansion: Json) -> list[str]:
    return [row["code"] for row in expansion.get("contains", [])]
