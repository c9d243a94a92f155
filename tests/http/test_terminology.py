"""The terminology operations, each by the rows of its page.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html · codesystem-operation-validate-code.html ·
codesystem-operation-subsumes.html · valueset-operation-expand.html · valueset-operation-validate-code.html ·
conceptmap-operation-translate.html
"""

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.serving import serving

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
        {"source": CS, "target": f"{BASE}/same", "element": [{"code": "none"}], "unmapped": {"mode": "provided"}},
        {
            "source": CS,
            "target": f"{BASE}/other",
            "element": [{"code": "none"}],
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


@pytest.fixture(scope="module")
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server that holds the definitions above."""
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


# $lookup


async def test_lookup_tells_what_the_code_system_says(stocked: httpx.AsyncClient) -> None:
    found = await told(stocked, "CodeSystem/$lookup", system=CS, code="cat")
    assert (found["name"], found["version"], found["display"]) == ("Animals", "2", "Cat")
    assert [parts(row) for row in found["designation"]] == [{"language": "vi", "value": "Con mèo"}]
    properties = [parts(row) for row in found["property"]]
    assert {"code": "parent", "value": "mammal", "description": "Mammal"} in properties
    assert {"code": "colour", "value": "black"} in properties
    assert {"code": "inactive", "value": False} in properties


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("parent", [("parent", "mammal")]),
        ("legs", [("legs", "4")]),
        ("url", [("url", CS)]),
        ("inactive", [("inactive", False)]),
        ("legs,colour", [("legs", "4"), ("colour", "black")]),
        ("lang.vi", []),
    ],
)
async def test_lookup_returns_the_properties_asked_for(
    stocked: httpx.AsyncClient, wanted: str, expected: list[tuple[str, Any]]
) -> None:
    found = await told(stocked, "CodeSystem/$lookup", system=CS, code="cat", property=wanted)
    rows = [parts(row) for row in found.get("property", [])]
    assert [(row["code"], row["value"]) for row in rows] == expected
    assert ("designation" in found) == (wanted == "lang.vi")


async def test_lookup_lists_what_is_below_from_nesting_and_from_parents(stocked: httpx.AsyncClient) -> None:
    found = await told(stocked, "CodeSystem/$lookup", system=CS, code="mammal", property="child")
    assert [parts(row)["value"] for row in found["property"]] == ["dog", "cat", "dodo-dog", "bat"]


@pytest.mark.parametrize(
    ("params", "display"),
    [
        ({"displayLanguage": "vi"}, "Con mèo"),
        ({"displayLanguage": "vi-VN"}, "Con mèo"),
        ({"displayLanguage": "fr"}, "Cat"),
        ({}, "Cat"),
    ],
)
async def test_lookup_speaks_the_language_asked_for(
    stocked: httpx.AsyncClient, params: dict[str, str], display: str
) -> None:
    assert (await told(stocked, "CodeSystem/$lookup", system=CS, code="cat", **params))["display"] == display


@pytest.mark.parametrize(
    ("params", "status", "says"),
    [
        ({"system": CS, "code": "unicorn"}, 404, "Unknown code 'unicorn'"),
        ({"system": UNKNOWN, "code": "x"}, 404, "not known here"),
        ({"system": CS, "code": "dog", "version": "9"}, 404, "|9"),
        ({"code": "dog"}, 400, "system"),
        ({"system": CS}, 400, "code"),
        ({"system": CS, "code": "dog", "colour": "red"}, 400, "colour"),
        ({"system": CS, "code": "dog", "date": "yesterday"}, 400, "date"),
    ],
)
async def test_lookup_refuses(stocked: httpx.AsyncClient, params: dict[str, str], status: int, says: str) -> None:
    answer = await stocked.get("/fhir/CodeSystem/$lookup", params=params)
    assert answer.status_code == status
    assert says in answer.json()["issue"][0]["details"]["text"]


async def test_lookup_takes_a_coding_and_a_version(stocked: httpx.AsyncClient) -> None:
    coding = {"system": CS, "code": "dog", "version": "1"}
    assert (await asked(stocked, "CodeSystem/$lookup", coding=coding))["display"] == "Hound"
    assert (await told(stocked, "CodeSystem/$lookup", system=CS, code="dog", version="1"))["display"] == "Hound"


# $subsumes


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("dog", "dog", "equivalent"),
        ("mammal", "dog", "subsumes"),
        ("animal", "dog", "subsumes"),
        ("dog", "animal", "subsumed-by"),
        ("dog", "cat", "not-subsumed"),
        ("mammal", "bat", "subsumes"),
    ],
)
async def test_subsumes(stocked: httpx.AsyncClient, a: str, b: str, outcome: str) -> None:
    assert await told(stocked, "CodeSystem/$subsumes", system=CS, codeA=a, codeB=b) == {"outcome": outcome}
    assert await told(stocked, "CodeSystem/animals/$subsumes", codeA=a, codeB=b) == {"outcome": outcome}
    codings = {f"coding{end}": {"system": CS, "code": code} for end, code in (("A", a), ("B", b))}
    assert await asked(stocked, "CodeSystem/$subsumes", **codings) == {"outcome": outcome}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"system": CS, "codeA": "dog", "codeB": "unicorn"}, 404),
        ({"system": UNKNOWN, "codeA": "dog", "codeB": "cat"}, 404),
        ({"codeA": "dog", "codeB": "cat"}, 400),
        ({"system": CS, "codeA": "dog"}, 400),
        ({"system": PLACES, "codeA": "00001", "codeB": "00004"}, 422),
    ],
    ids=["unknown code", "unknown system", "no system", "one code", "part-of is not is-a"],
)
async def test_what_cannot_be_told_is_an_error(stocked: httpx.AsyncClient, params: dict[str, str], status: int) -> None:
    answer = await stocked.get("/fhir/CodeSystem/$subsumes", params=params)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


# $validate-code


CODES: list[tuple[str, dict[str, str], bool, str | None, str | None]] = [
    ("known", {"code": "dog"}, True, None, "Dog"),
    ("unknown", {"code": "unicorn"}, False, "Unknown code 'unicorn'", None),
    ("other case", {"code": "DOG"}, False, "Unknown code 'DOG'", None),
    ("right display", {"code": "dog", "display": "dog"}, True, None, "Dog"),
    ("designation", {"code": "dog", "display": "Con chó Đông Dương"}, True, None, "Dog"),
    ("wrong display", {"code": "dog", "display": "Cat"}, False, 'The display "Cat" is incorrect', "Dog"),
    ("inactive", {"code": "dodo-dog"}, True, "inactive", "Extinct dog"),
    ("abstract", {"code": "animal"}, True, "only groups", "Animal"),
    ("abstract allowed", {"code": "animal", "abstract": "true"}, True, None, "Animal"),
    ("abstract refused", {"code": "animal", "abstract": "false"}, False, "only groups", "Animal"),
    ("language", {"code": "cat", "displayLanguage": "vi"}, True, None, "Con mèo"),
    ("version", {"code": "wolf", "version": "1"}, True, None, "Wolf"),
    ("newest version", {"code": "wolf"}, False, "Unknown code 'wolf'", None),
]


@pytest.mark.parametrize(("params", "result", "says", "display"), [row[1:] for row in CODES], ids=[r[0] for r in CODES])
async def test_a_code_is_judged_by_its_system(
    stocked: httpx.AsyncClient, params: dict[str, str], result: bool, says: str | None, display: str | None
) -> None:
    found = await told(stocked, "CodeSystem/$validate-code", url=CS, **params)
    assert (found["result"], found.get("display")) == (result, display)
    assert ("message" in found) == (says is not None)
    assert says is None or says in found["message"]


async def test_messages_are_in_vietnamese_too(stocked: httpx.AsyncClient) -> None:
    answer = await stocked.get(
        f"/fhir/CodeSystem/$validate-code?url={CS}&code=unicorn", headers={"accept-language": "vi"}
    )
    assert "Không có mã 'unicorn'" in outputs(answer.json())["message"]


MEMBERS: list[tuple[str, dict[str, str], bool, str | None]] = [
    ("mammals", {"system": CS, "code": "dog"}, True, None),
    ("mammals", {"system": CS, "code": "hen"}, False, "not in the value set"),
    ("mammals", {"system": CS, "code": "unicorn"}, False, "Unknown code"),
    ("mammals", {"system": PLACES, "code": "00099"}, False, "holds no codes of the code system"),
    ("mammals", {"system": UNKNOWN, "code": "dog"}, False, "not known here"),
    ("mammals", {"system": CS, "code": "dog", "display": "Doggy"}, False, "incorrect"),
    ("mammals", {"system": CS, "code": "dodo-dog"}, True, "inactive"),
    ("active", {"system": CS, "code": "dodo-dog"}, False, "inactive"),
    ("active", {"system": CS, "code": "dog"}, True, None),
    ("listed", {"system": CS, "code": "hen", "display": "Chicken"}, True, None),
    ("listed", {"system": CS, "code": "hen", "display": "Hen"}, True, None),
    ("first", {"system": CS, "code": "wolf"}, True, None),
    ("first", {"system": CS, "code": "wolf", "systemVersion": "2"}, False, "another version"),
    ("foreign", {"system": UNKNOWN, "code": "x"}, True, None),
    ("foreign", {"system": UNKNOWN, "code": "y"}, False, "not in the value set"),
    ("old-listed", {"system": OLD, "code": "c"}, False, "not in the value set"),
    ("foreign-all", {"system": UNKNOWN, "code": "y"}, False, "cannot be told"),
    ("old", {"system": OLD, "code": "a"}, True, None),
    ("old", {"system": OLD, "code": "zz"}, False, "only a part"),
    ("old-listed", {"system": OLD, "code": "b"}, True, None),
    ("without", {"system": CS, "code": "bird"}, True, None),
    ("without", {"system": CS, "code": "hen"}, False, "not in the value set"),
    ("two-systems", {"system": PLACES, "code": "00099"}, True, None),
    ("wards", {"system": PLACES, "code": "00001", "date": "2019-05-31"}, True, None),
    ("wards", {"system": PLACES, "code": "00001", "date": "2025-06-30"}, True, None),
    ("wards", {"system": PLACES, "code": "00001", "date": "2025-07-01"}, False, "until 2025-06-30"),
    ("wards", {"system": PLACES, "code": "00001"}, False, "until 2025-06-30"),
    ("wards", {"system": PLACES, "code": "00004"}, True, None),
    ("wards", {"system": PLACES, "code": "00004", "date": "2025-06-30"}, False, "from 2025-07-01"),
    ("wards", {"system": PLACES, "code": "00004", "date": "2025-06-30T23:30:00Z"}, True, None),
]


@pytest.mark.parametrize(("name", "params", "result", "says"), MEMBERS)
async def test_a_code_is_judged_by_a_value_set(
    stocked: httpx.AsyncClient, name: str, params: dict[str, str], result: bool, says: str | None
) -> None:
    found = await told(stocked, "ValueSet/$validate-code", url=f"{VS}/{name}", **params)
    assert found["result"] is result, found
    assert (says is None) == ("message" not in found), found
    assert says is None or says in found["message"]
    assert found == await told(stocked, f"ValueSet/{name}/$validate-code", **params)


async def test_one_good_coding_is_enough(stocked: httpx.AsyncClient) -> None:
    wrong, right = {"system": CS, "code": "hen"}, {"system": CS, "code": "dog"}
    both = await asked(
        stocked, "ValueSet/$validate-code", url=f"{VS}/mammals", codeableConcept={"coding": [wrong, right]}
    )
    assert (both["result"], both["display"]) == (True, "Dog")
    assert "'hen'" in both["message"]
    none = await asked(stocked, "ValueSet/$validate-code", url=f"{VS}/mammals", codeableConcept={"coding": [wrong]})
    assert none["result"] is False


async def test_definitions_may_come_with_the_question(stocked: httpx.AsyncClient) -> None:
    given = code_system(f"{BASE}/mine", concept("m", "Mine"))
    found = await asked(
        stocked, "CodeSystem/$validate-code", codeSystem=given, coding={"system": f"{BASE}/mine", "code": "m"}
    )
    assert found == {"result": True, "display": "Mine"}
    found = await asked(
        stocked,
        "ValueSet/$validate-code",
        valueSet=value_set("mine", listed("dog")),
        coding={"system": CS, "code": "dog"},
    )
    assert found == {"result": True, "display": "Dog"}


@pytest.mark.parametrize(
    ("address", "params", "status"),
    [
        ("ValueSet/$validate-code", {"url": f"{VS}/nobody", "system": CS, "code": "dog"}, 404),
        ("ValueSet/$validate-code", {"url": f"{VS}/all|9", "system": CS, "code": "dog"}, 404),
        ("ValueSet/$validate-code", {"url": f"{VS}/all", "code": "dog"}, 400),
        ("ValueSet/$validate-code", {"url": f"{VS}/all"}, 400),
        ("ValueSet/$validate-code", {"system": CS, "code": "dog"}, 400),
        ("ValueSet/$validate-code", {"context": "x", "system": CS, "code": "dog"}, 400),
        ("ValueSet/$validate-code", {"url": f"{VS}/orphan", "system": CS, "code": "dog"}, 422),
        ("ValueSet/$validate-code", {"url": f"{VS}/ring", "system": CS, "code": "dog"}, 422),
        ("ValueSet/$validate-code", {"url": f"{VS}/odd-filter", "system": CS, "code": "dog"}, 422),
        ("ValueSet/nobody/$validate-code", {"system": CS, "code": "dog"}, 404),
        ("CodeSystem/$validate-code", {"url": UNKNOWN, "code": "dog"}, 404),
        ("CodeSystem/$validate-code", {"code": "dog"}, 400),
        ("CodeSystem/$validate-code", {"url": CS, "code": "dog", "abstract": "perhaps"}, 400),
    ],
)
async def test_validate_code_refuses(
    stocked: httpx.AsyncClient, address: str, params: dict[str, str], status: int
) -> None:
    answer = await stocked.get(f"/fhir/{address}", params=params)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


# $expand


async def expanded(client: httpx.AsyncClient, name: str, **params: Any) -> Json:
    query = {key.replace("_", "-"): value for key, value in params.items()}
    answer = await client.get("/fhir/ValueSet/$expand", params={"url": f"{VS}/{name}", **query})
    assert answer.status_code == 200, answer.text
    expansion: Json = answer.json()["expansion"]
    return expansion


def codes(expansion: Json) -> list[str]:
    return [row["code"] for row in expansion.get("contains", [])]


EVERY = ["animal", "mammal", "dog", "cat", "dodo-dog", "bird", "hen", "bat"]
EXPANSIONS: list[tuple[str, list[str]]] = [
    ("all", EVERY),
    ("mammals", ["mammal", "dog", "cat", "dodo-dog", "bat"]),
    ("below-mammal", ["dog", "cat", "dodo-dog", "bat"]),
    ("not-mammals", ["animal", "bird", "hen"]),
    ("above-dog", ["dog", "animal", "mammal"]),
    ("some", ["hen", "dog"]),
    ("but-some", ["animal", "mammal", "cat", "dodo-dog", "bird", "bat"]),
    ("four-legs", ["dog", "cat"]),
    ("coloured", ["cat"]),
    ("colourless", ["animal", "mammal", "dog", "dodo-dog", "bird", "hen", "bat"]),
    ("regex", ["animal", "mammal", "cat", "bat"]),
    ("legs-regex", ["dog", "cat"]),
    ("called", ["cat"]),
    ("children", ["dog", "cat", "dodo-dog", "bat"]),
    ("gone", ["dodo-dog"]),
    ("two-filters", ["bat"]),
    ("listed", ["hen", "dog"]),
    ("without", ["animal", "bird"]),
    ("imported", ["mammal", "dog", "cat", "dodo-dog", "hen", "bat"]),
    ("common", ["bat"]),
    ("both", ["dog", "cat"]),
    ("active", ["mammal", "dog", "cat", "bat"]),
    ("two-systems", ["dog", "00004", "00099"]),
    ("first", ["dog", "wolf"]),
    ("foreign", ["x"]),
    ("old-listed", ["a", "b"]),
]


@pytest.mark.parametrize(("name", "expected"), EXPANSIONS, ids=[row[0] for row in EXPANSIONS])
async def test_a_value_set_expands_to_its_codes(stocked: httpx.AsyncClient, name: str, expected: list[str]) -> None:
    expansion = await expanded(stocked, name)
    assert codes(expansion) == expected
    assert expansion["total"] == len(expected)
    for code in expected:  # the same answer, asked one by one
        system = next(row["system"] for row in expansion["contains"] if row["code"] == code)
        asked_one = await told(stocked, "ValueSet/$validate-code", url=f"{VS}/{name}", system=system, code=code)
        assert asked_one["result"], (name, code)


NARROWED: list[tuple[dict[str, str], list[str]]] = [
    ({"filter": "do"}, ["dog", "dodo-dog"]),
    ({"filter": "CON CHO"}, ["dog"]),
    ({"filter": "dong duong"}, ["dog"]),
    ({"filter": "mèo"}, ["cat"]),
    ({"filter": "zebra"}, []),
    ({"activeOnly": "true"}, [code for code in EVERY if code != "dodo-dog"]),
    ({"excludeNotForUI": "true"}, EVERY[1:]),
    ({"count": "3"}, EVERY[:3]),
    ({"count": "3", "offset": "3"}, EVERY[3:6]),
    ({"count": "3", "offset": "9"}, []),
    ({"count": "0"}, []),
    ({"exclude-system": CS}, []),
    ({"exclude-system": f"{CS}|9"}, EVERY),
    ({"system-version": f"{CS}|1"}, ["dog", "wolf"]),
    ({"check-system-version": f"{CS}|1"}, ["dog", "wolf"]),
    ({"force-system-version": f"{CS}|1"}, ["dog", "wolf"]),
]


@pytest.mark.parametrize(("params", "expected"), NARROWED, ids=[str(row[0]) for row in NARROWED])
async def test_an_expansion_is_narrowed(
    stocked: httpx.AsyncClient, params: dict[str, str], expected: list[str]
) -> None:
    expansion = await expanded(stocked, "all", **params)
    assert codes(expansion) == expected
    paged = "count" in params
    assert expansion["total"] == (len(EVERY) if paged else len(expected))
    names = {row["name"] for row in expansion["parameter"]}
    assert set(params) - names <= set(), "what shaped the expansion is told"


async def test_pages_cover_value_sets_of_several_systems(stocked: httpx.AsyncClient) -> None:
    whole = codes(await expanded(stocked, "two-systems"))
    pages = [codes(await expanded(stocked, "two-systems", offset=at, count=1)) for at in range(len(whole) + 1)]
    assert pages == [[code] for code in whole] + [[]]


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("first", {"check-system-version": f"{CS}|2"}, 422),
        ("first", {"force-system-version": f"{CS}|2"}, EVERY),
        ("first", {"system-version": f"{CS}|2"}, ["dog", "wolf"]),
        ("wards", {"date": "2019"}, ["00001", "00099"]),
        ("wards", {"date": "2025-07-01"}, ["00004", "00099"]),
        ("wards", {}, ["00004", "00099"]),
    ],
)
async def test_versions_and_dates_decide(
    stocked: httpx.AsyncClient, name: str, params: dict[str, str], expected: list[str] | int
) -> None:
    answer = await stocked.get("/fhir/ValueSet/$expand", params={"url": f"{VS}/{name}", **params})
    found = codes(answer.json()["expansion"]) if answer.status_code == 200 else answer.status_code
    assert found == expected


async def test_an_expansion_tells_versions_displays_and_states(stocked: httpx.AsyncClient) -> None:
    expansion = await expanded(stocked, "mammals")
    assert {"name": "version", "valueUri": f"{CS}|2"} in expansion["parameter"]
    rows = {row["code"]: row for row in expansion["contains"]}
    assert rows["dog"] == {"system": CS, "version": "2", "code": "dog", "display": "Dog"}
    assert rows["dodo-dog"]["inactive"] is True
    assert (await expanded(stocked, "all"))["contains"][0]["abstract"] is True
    assert (await expanded(stocked, "listed"))["contains"][0]["display"] == "Chicken"
    vietnamese = await expanded(stocked, "listed", displayLanguage="vi")
    assert [row["display"] for row in vietnamese["contains"]] == ["Hen", "Con chó Đông Dương"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, 0),
        ({"includeDesignations": "false"}, 0),
        ({"includeDesignations": "true"}, 1),
        ({"designation": "urn:ietf:bcp:47|vi"}, 1),
        ({"designation": "vi"}, 1),
        ({"designation": "urn:ietf:bcp:47|fr"}, 0),
    ],
)
async def test_designations_come_when_asked_for(
    stocked: httpx.AsyncClient, params: dict[str, str], expected: int
) -> None:
    [row] = (await expanded(stocked, "coloured", **params))["contains"]
    assert len(row.get("designation", [])) == expected


async def test_an_expansion_may_be_nested(stocked: httpx.AsyncClient) -> None:
    top = (await expanded(stocked, "all", excludeNested="false"))["contains"]
    assert [row["code"] for row in top] == ["animal"]
    assert [row["code"] for row in top[0]["contains"]] == ["mammal", "bird"]
    assert [row["code"] for row in top[0]["contains"][0]["contains"]] == ["dog", "cat", "dodo-dog", "bat"]


async def test_the_definition_comes_when_asked_for(stocked: httpx.AsyncClient) -> None:
    for asked_for in (True, False):
        answer = await stocked.get(f"/fhir/ValueSet/all/$expand?includeDefinition={str(asked_for).lower()}")
        assert ("compose" in answer.json()) is asked_for
        assert answer.json()["url"] == f"{VS}/all"


@pytest.mark.parametrize(
    ("params", "status", "says"),
    [
        ({"url": f"{VS}/nobody"}, 404, "not known"),
        ({"url": f"{VS}/foreign-all"}, 422, "not known here"),
        ({"url": f"{VS}/old"}, 422, "in part only"),
        ({"url": f"{VS}/orphan"}, 422, "nobody"),
        ({"url": f"{VS}/ring"}, 422, "imports itself"),
        ({"url": f"{VS}/odd-filter"}, 422, "is-a"),
        ({"url": f"{VS}/lookahead"}, 422, "regular expression"),
        ({}, 400, "url"),
        ({"context": "http://example.org/p#Patient.gender"}, 400, "context"),
        ({"url": f"{VS}/all", "count": "-1"}, 400, "count"),
        ({"url": f"{VS}/all", "count": "99999"}, 422, "more than"),
        ({"url": f"{VS}/all", "system-version": CS}, 400, "version"),
    ],
)
async def test_expand_refuses(stocked: httpx.AsyncClient, params: dict[str, str], status: int, says: str) -> None:
    answer = await stocked.get("/fhir/ValueSet/$expand", params=params)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert says in answer.json()["issue"][0]["details"]["text"]


async def test_a_value_set_sent_along_is_expanded(stocked: httpx.AsyncClient) -> None:
    answer = await stocked.post("/fhir/ValueSet/$expand", json=sent(valueSet=value_set("mine", listed("dog", "hen"))))
    assert codes(answer.json()["expansion"]) == ["dog", "hen"]


# $translate


def matches(found: dict[str, Any]) -> list[tuple[str, str | None]]:
    rows = [parts(row) for row in found.get("match", [])]
    return [(row["equivalence"], row.get("concept", {}).get("code")) for row in rows]


TRANSLATIONS: list[tuple[str, dict[str, str], bool, list[tuple[str, str | None]]]] = [
    ("one", {"code": "dog", "targetsystem": f"{BASE}/latin"}, True, [("equivalent", "canis")]),
    (
        "one to many",
        {"code": "cat", "targetsystem": f"{BASE}/latin"},
        True,
        [("narrower", "felis"), ("narrower", "panthera")],
    ),
    ("unmatched", {"code": "bat", "targetsystem": f"{BASE}/latin"}, False, [("unmatched", None)]),
    ("fixed", {"code": "bird", "targetsystem": f"{BASE}/latin"}, True, [("relatedto", "bestia")]),
    ("provided", {"code": "bird", "targetsystem": f"{BASE}/same"}, True, [("relatedto", "bird")]),
    ("other map", {"code": "dog", "targetsystem": f"{BASE}/other"}, True, [("equal", "D")]),
    ("a ring of maps", {"code": "hen", "targetsystem": f"{BASE}/other"}, False, []),
    ("dependency not given", {"code": "hen", "targetsystem": f"{BASE}/latin"}, False, []),
]


@pytest.mark.parametrize(
    ("params", "result", "expected"), [row[1:] for row in TRANSLATIONS], ids=[row[0] for row in TRANSLATIONS]
)
async def test_translate_says_what_the_map_says(
    stocked: httpx.AsyncClient, params: dict[str, str], result: bool, expected: list[tuple[str, str | None]]
) -> None:
    found = await told(stocked, "ConceptMap/$translate", url=MAP, system=CS, **params)
    assert (found["result"], matches(found)) == (result, expected)
    assert result or found["message"]
    assert found == await told(stocked, "ConceptMap/animals/$translate", system=CS, **params)


async def test_translate_looks_for_maps_by_system_and_value_sets(stocked: httpx.AsyncClient) -> None:
    found = await told(stocked, "ConceptMap/$translate", system=CS, code="dog", targetsystem=f"{BASE}/latin")
    assert parts(found["match"][0])["source"] == f"{MAP}|7"
    named = {"system": CS, "code": "dog", "targetsystem": f"{BASE}/latin"}
    assert (await told(stocked, "ConceptMap/$translate", target=f"{VS}/latin", **named))["result"]
    assert not (await told(stocked, "ConceptMap/$translate", target=f"{VS}/greek", **named))["result"]
    assert not (await told(stocked, "ConceptMap/$translate", source=f"{VS}/plants", **named))["result"]


async def test_translate_backwards_turns_the_equivalence(stocked: httpx.AsyncClient) -> None:
    back = {"system": f"{BASE}/latin", "reverse": "true"}
    assert matches(await told(stocked, "ConceptMap/$translate", url=MAP, code="felis", **back)) == [("wider", "cat")]
    assert matches(await told(stocked, "ConceptMap/$translate", code="canis", **back)) == [("equivalent", "dog")]
    assert (await told(stocked, "ConceptMap/$translate", url=MAP, code="nihil", **back))["result"] is False


async def test_a_dependency_decides_and_products_come_along(stocked: httpx.AsyncClient) -> None:
    def question(sex: str) -> Json:
        body = sent(url=MAP, code="hen", system=CS, targetsystem=f"{BASE}/latin")
        concept = {"coding": [{"system": f"{BASE}/sexes", "code": sex}]}
        dependency = [
            {"name": "element", "valueUri": f"{BASE}/sex"},
            {"name": "concept", "valueCodeableConcept": concept},
        ]
        body["parameter"].append({"name": "dependency", "part": dependency})
        return body

    found = outputs((await stocked.post("/fhir/ConceptMap/$translate", json=question("female"))).json())
    assert matches(found) == [("wider", "gallina")]
    assert parts(found["match"][0])["product"]
    found = outputs((await stocked.post("/fhir/ConceptMap/$translate", json=question("male"))).json())
    assert not found["result"]
    assert f"{BASE}/sex" in found["message"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"url": f"{MAP}-none", "system": CS, "code": "dog"}, 404),
        ({"url": MAP, "code": "dog"}, 400),
        ({"url": MAP, "system": CS}, 400),
    ],
)
async def test_translate_refuses(stocked: httpx.AsyncClient, params: dict[str, str], status: int) -> None:
    assert (await stocked.get("/fhir/ConceptMap/$translate", params=params)).status_code == status


# What is stored is in effect at once


async def test_what_is_uploaded_changed_and_deleted_counts_at_once(client: httpx.AsyncClient) -> None:
    url = f"{BASE}/CodeSystem/fresh"
    assert (await client.get("/fhir/CodeSystem/$lookup", params={"system": url, "code": "a"})).status_code == 404
    await client.put("/fhir/CodeSystem/fresh", json=code_system(url, concept("a", "First")))
    assert (await told(client, "CodeSystem/$lookup", system=url, code="a"))["display"] == "First"
    await client.put("/fhir/CodeSystem/fresh", json=code_system(url, concept("a", "Second")))
    assert (await told(client, "CodeSystem/$lookup", system=url, code="a"))["display"] == "Second"
    await client.delete("/fhir/CodeSystem/fresh")
    assert (await client.get("/fhir/CodeSystem/$lookup", params={"system": url, "code": "a"})).status_code == 404


async def test_what_ships_answers_too(client: httpx.AsyncClient) -> None:
    system = "http://hl7.org/fhir/administrative-gender"
    assert (await told(client, "CodeSystem/$lookup", system=system, code="male"))["display"] == "Male"
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    answer = await client.get("/fhir/ValueSet/$expand", params={"url": gender})
    assert codes(answer.json()["expansion"]) == ["male", "female", "other", "unknown"]


# Search by meaning


OBSERVED = {"dog": "dog", "cat": "cat", "hen": "hen", "bat": "bat"}
SEARCHES: list[tuple[str, set[str]]] = [
    (f"code:in={VS}/mammals", {"dog", "cat", "bat"}),
    (f"code:in={VS}/four-legs", {"dog", "cat"}),
    (f"code:in={VS}/regex", {"cat", "bat"}),
    (f"code:in={VS}/imported", {"dog", "cat", "hen", "bat"}),
    ("code:in=ValueSet/four-legs", {"dog", "cat"}),
    (f"code:in={VS}/four-legs,{VS}/listed", {"dog", "cat", "hen"}),
    (f"subject=Patient/zoo&code:not-in={VS}/four-legs", {"hen", "bat"}),
    (f"code:below={CS}|mammal", {"dog", "cat", "bat"}),
    (f"code:below={CS}|hen", {"hen"}),
    (f"code:above={CS}|hen", {"hen"}),
]


@pytest.mark.parametrize(("query", "expected"), SEARCHES)
async def test_searches_by_meaning_use_what_is_stored(
    stocked: httpx.AsyncClient, query: str, expected: set[str]
) -> None:
    for id, code in OBSERVED.items():
        resource = {
            "resourceType": "Observation",
            "status": "final",
            "id": id,
            "subject": {"reference": "Patient/zoo"},
            "code": {"coding": [{"system": CS, "code": code}]},
        }
        stored = await stocked.put(f"/fhir/Observation/{id}", json=resource)
        assert stored.status_code in (200, 201), stored.text
    answer = await stocked.get(f"/fhir/Observation?{query}")
    assert answer.status_code == 200, answer.text
    assert {row["resource"]["id"] for row in answer.json().get("entry", [])} == expected
    across = await stocked.get(f"/fhir?_type=Observation&{query}")
    assert {row["resource"]["id"] for row in across.json().get("entry", [])} == expected


@pytest.mark.parametrize("query", [f"code:in={VS}/nobody", f"code:below={UNKNOWN}|x", f"code:in={VS}/foreign-all"])
async def test_a_search_by_a_meaning_that_is_not_known_is_refused(stocked: httpx.AsyncClient, query: str) -> None:
    assert (await stocked.get(f"/fhir/Observation?{query}")).status_code == 400


# Large code systems


async def test_a_large_code_system_answers_from_rows_and_parts_make_a_whole(client: httpx.AsyncClient) -> None:
    url, count = f"{BASE}/CodeSystem/large", 6000

    def part(number: int) -> Json:
        rows = [
            concept(f"C{at}", f"Số {at} Đống Đa", **({"parent": f"C{at // 10}"} if at else {}))
            for at in range(number, count, 2)
        ]
        return {**code_system(url, *rows, content="fragment", count=count), "id": f"large-{number}"}

    assert (await client.put("/fhir/CodeSystem/large-0", json=part(0))).status_code == 201
    half = await told(client, "CodeSystem/$validate-code", url=url, code="C1")
    assert (half["result"], "only a part" in half["message"]) == (False, True)
    assert (await client.put("/fhir/CodeSystem/large-1", json=part(1))).status_code == 201
    assert (await told(client, "CodeSystem/$validate-code", url=url, code="C1"))["result"]
    assert "Unknown code 'C6000'" in (await told(client, "CodeSystem/$validate-code", url=url, code="C6000"))["message"]
    assert await told(client, "CodeSystem/$subsumes", system=url, codeA="C5", codeB="C5999") == {"outcome": "subsumes"}
    found = await told(client, "CodeSystem/$lookup", system=url, code="C12", property="child")
    assert sorted(parts(row)["value"] for row in found["property"]) == [f"C{at}" for at in range(120, 130)]

    await client.put("/fhir/ValueSet/large", json=value_set("large", where("concept", "is-a", "C5", system=url)))
    whole = 1 + 10 + 100 + 1000
    assert (await expanded(client, "large", count=0))["total"] == whole
    pages = [codes(await expanded(client, "large", offset=at, count=300)) for at in range(0, 1500, 300)]
    assert len({code for page in pages for code in page}) == whole
    assert codes(await expanded(client, "large", filter="dong da so 5999")) == ["C5999"]


async def test_an_expansion_that_is_too_long_is_refused(mongodb_uri: str, database: str) -> None:
    async with serving(mongodb_uri, database, max_expansion=5) as small:
        for resource in (
            ANIMALS,
            value_set("all", {"system": CS}),
            value_set("mammals", where("concept", "is-a", "mammal")),
        ):
            await small.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        answer = await small.get("/fhir/ValueSet/all/$expand")
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "too-costly")
        assert len(codes(await expanded(small, "all", count=5, offset=2))) == 5
        assert len(codes(await expanded(small, "mammals"))) == 5


async def test_several_who_need_the_rows_at_once_all_get_them(client: httpx.AsyncClient) -> None:
    url = f"{BASE}/CodeSystem/rush"
    rows = [
        concept(f"C{at}", f"A display that is long enough to make the code system large {at}") for at in range(4000)
    ]
    assert (await client.put("/fhir/CodeSystem/rush", json=code_system(url, *rows))).status_code == 201
    found = await asyncio.gather(
        *(told(client, "CodeSystem/$lookup", system=url, code=f"C{at}") for at in range(0, 4000, 400))
    )
    assert [row["display"].rpartition(" ")[2] for row in found] == [str(at) for at in range(0, 4000, 400)]


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ("ValueSet/$expand", {"valueSet": {"resourceType": "ValueSet", "compose": {"include": "all"}}}),
        ("ValueSet/$expand", {"valueSet": {"resourceType": "CodeSystem"}}),
        ("ValueSet/$expand", {"valueSet": value_set("x", {"system": CS}), "filter": "x" * 201}),
        ("CodeSystem/$validate-code", {"codeSystem": {"resourceType": "CodeSystem", "concept": [{}]}, "code": "a"}),
        (
            "ConceptMap/$translate",
            {"conceptMap": {"resourceType": "ConceptMap", "group": {}}, "code": "a", "system": "b"},
        ),
        ("CodeSystem/$validate-code", {"url": CS, "coding": {"code": 1}}),
        ("CodeSystem/$validate-code", {"url": CS, "coding": "dog"}),
        ("CodeSystem/$validate-code", {"url": CS, "codeableConcept": {"coding": [{"code": "a"}] * 51}}),
        ("CodeSystem/$lookup", {"coding": {"system": CS}}),
    ],
)
async def test_what_is_sent_along_is_checked(stocked: httpx.AsyncClient, address: str, values: Json) -> None:
    answer = await stocked.post(f"/fhir/{address}", json=sent(**values))
    assert answer.status_code in (400, 422)
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_code_system_without_url_is_asked_at_its_address(client: httpx.AsyncClient) -> None:
    nameless = {name: value for name, value in code_system(CS, concept("a", "A")).items() if name != "url"}
    await client.put("/fhir/CodeSystem/nameless", json={**nameless, "id": "nameless"})
    answer = await client.get("/fhir/CodeSystem/nameless/$validate-code?code=a")
    assert outputs(answer.json())["result"] is True


# The national content


async def test_a_commune_that_was_split_has_several_successors_and_none_is_chosen(client: httpx.AsyncClient) -> None:
    old, new = (
        "https://fhir.tiemchung.vn/CodeSystem/commune-until-2025",
        "http://fhir.hl7.org.vn/core/CodeSystem/vn-ward-cs",
    )
    found = await told(client, "ConceptMap/$translate", system=old, code="00007", targetsystem=new)
    assert found["result"] is True
    assert matches(found) == [("inexact", "00008"), ("inexact", "00025")]
    back = await told(client, "ConceptMap/$translate", system=new, code="00008", targetsystem=old, reverse="true")
    assert "00007" in [code for _, code in matches(back)]


@pytest.mark.parametrize(("date", "result"), [("2019-05-31", True), ("2025-07-01", False)])
async def test_an_old_commune_holds_on_old_days(client: httpx.AsyncClient, date: str, result: bool) -> None:
    old = "https://fhir.tiemchung.vn/CodeSystem/commune-until-2025"
    found = await told(client, "CodeSystem/$validate-code", url=old, code="00007", date=date)
    assert found["result"] is result, found
