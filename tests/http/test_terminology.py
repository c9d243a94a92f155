"""The terminology operations on single codes, each by the rows of its page.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html · codesystem-operation-validate-code.html ·
codesystem-operation-subsumes.html · valueset-operation-validate-code.html
"""

import unicodedata
from typing import Any

import httpx
import pytest

from tests.http.terminology_examples import (
    BASE,
    CS,
    OLD,
    PLACES,
    UNKNOWN,
    VS,
    Json,
    asked,
    code_system,
    codes,
    concept,
    listed,
    outputs,
    parts,
    sent,
    stock,
    told,
    value_set,
)


@pytest.fixture(scope="module")
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server that holds the definitions of the examples."""
    return await stock(client)


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
    ("composed otherwise", {"code": "cat", "display": unicodedata.normalize("NFD", "Con mèo")}, True, None, "Cat"),
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
