"""Extensions stand where their definitions let them: by names, within other extensions, by expressions.

https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from typing import Any

import pytest

from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Validator
from tests.validation.test_profiles import BASE, HL7, check

Json = dict[str, Any]

OUTER, INNER = f"{BASE}/outer", f"{BASE}/inner"


def definition(url: str, *contexts: tuple[str, str], holds: bool = True) -> Json:
    """Return the definition of an extension with a text; or, unless it `holds` one, with others in it."""
    rows: list[Json] = [{"id": "Extension", "path": "Extension"}]
    if holds:
        rows.append({"id": "Extension.value[x]", "path": "Extension.value[x]", "type": [{"code": "string"}]})
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Extension",
        "kind": "complex-type",
        "derivation": "constraint",
        "baseDefinition": f"{HL7}/Extension",
        "context": [{"type": type, "expression": expression} for type, expression in contexts],
        "differential": {"element": rows},
    }


HERE = {"url": INNER, "valueString": "x"}
AROUND = {"url": OUTER, "extension": [HERE]}
ELSEWHERE = {"url": "http://example.org/other", "extension": [HERE]}
ME = {"resourceType": "Patient", "gender": "male", "birthDate": "2020-01-01"}
HOME, WORK = {"use": "home", "city": "Huế"}, {"use": "work", "city": "Vinh"}
OF_HOME = ("fhirpath", "Patient.address.where(use = 'home')")

# Contexts of the inner extension; a resource; where it is out of place.
CASES: dict[str, tuple[list[tuple[str, str]], Json, list[str]]] = {
    "within its extension": ([("extension", OUTER)], {"extension": [AROUND]}, []),
    "within another": ([("extension", OUTER)], {"extension": [ELSEWHERE]}, ["Patient.extension[0].extension[0]"]),
    "not within any": ([("extension", OUTER)], {"extension": [HERE]}, ["Patient.extension[0]"]),
    "within its extension of a primitive": ([("extension", OUTER)], {"_birthDate": {"extension": [AROUND]}}, []),
    "within another of a primitive": (
        [("extension", OUTER)],
        {"_birthDate": {"extension": [ELSEWHERE]}},
        ["Patient.birthDate.extension[0].extension[0]"],
    ),
    "where an expression finds it": ([OF_HOME], {"address": [WORK, {**HOME, "extension": [HERE]}]}, []),
    "where an expression does not": (
        [OF_HOME],
        {"address": [{**WORK, "extension": [HERE]}, HOME]},
        ["Patient.address[0].extension[0]"],
    ),
    "in a value that an expression finds elsewhere": (
        [("fhirpath", "Patient.name.first().given")],
        {"name": [{"given": ["An"]}, {"given": ["An"], "_given": [{"extension": [HERE]}]}]},
        ["Patient.name[1].given[0].extension[0]"],
    ),
    "in a primitive that an expression finds": (
        [("fhirpath", "Patient.birthDate")],
        {"_birthDate": {"extension": [HERE]}},
        [],
    ),
    "in a primitive without a value": (
        [("fhirpath", "Patient.name.family")],
        {"name": [{"given": ["An"], "_family": {"extension": [HERE]}}]},
        [],
    ),
    "in the resource itself": ([("fhirpath", "Patient.where(gender = 'male')")], {"extension": [HERE]}, []),
    "in a resource of another kind": (
        [("fhirpath", "Patient.where(gender = 'female')")],
        {"extension": [HERE]},
        ["Patient.extension[0]"],
    ),
    "in a choice": (
        [("fhirpath", "Patient.deceased")],
        {"deceasedDateTime": "2024", "_deceasedDateTime": {"extension": [HERE]}},
        [],
    ),
    "by one of several": ([("element", "HumanName"), OF_HOME], {"address": [{**HOME, "extension": [HERE]}]}, []),
    "by another of several": ([("element", "Address"), OF_HOME], {"address": [{**WORK, "extension": [HERE]}]}, []),
    "by none of several": (
        [("element", "HumanName"), ("extension", OUTER), OF_HOME],
        {"address": [{**WORK, "extension": [HERE]}]},
        ["Patient.address[0].extension[0]"],
    ),
    "anywhere": ([("element", "Element"), OF_HOME], {"address": [{**WORK, "extension": [HERE]}]}, []),
    "an expression that nobody here can evaluate": ([("fhirpath", "Patient.unheardOf(1)")], {"extension": [HERE]}, []),
    "no expression": ([("fhirpath", "((")], {"extension": [HERE]}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_an_extension_stands_where_its_contexts_let_it(case: str) -> None:
    contexts, changes, places = CASES[case]
    packages = (definition(INNER, *contexts), definition(OUTER, ("element", "Element"), holds=False))
    found = check(wire.loads(wire.dumps({**ME, **changes})), *packages, profiles=())
    assert [place for severity, rule, place in found if rule == "Extension.url:context"] == places
    assert [row for row in found if row[1] != "Extension.url:context"] == []


def test_contained_resources_are_resources_of_their_own() -> None:
    contained = [{"resourceType": "Patient", "id": "c", "address": [{**WORK, "extension": [HERE]}]}]
    holder = {**ME, "contained": contained, "link": [{"other": {"reference": "#c"}, "type": "seealso"}]}
    found = check(holder, definition(INNER, OF_HOME), profiles=())
    assert [place for _, rule, place in found if rule == "Extension.url:context"] == [
        "Patient.contained[0].address[0].extension[0]"
    ]


def ruled(*rules: str) -> Json:
    """Return the definition of an extension with rules on what holds it."""
    return {**definition(INNER, ("element", "Element")), "contextInvariant": list(rules)}


HELD = {**HOME, "extension": [HERE]}
STRAY = {**WORK, "extension": [HERE]}
AROUND_DATE = {"extension": [HERE]}

# Rules on what holds the inner extension; a resource; where they are broken.
RULES: dict[str, tuple[list[str], Json, list[str]]] = {
    "kept": (["use = 'home'"], {"address": [HELD]}, []),
    "broken": (["use = 'home'"], {"address": [HELD, STRAY]}, ["Patient.address[1].extension[0]"]),
    "neither kept nor broken": (["district = 'x'"], {"address": [HELD]}, ["Patient.address[0].extension[0]"]),
    "one of two broken": (["use = 'home'", "city = 'Vinh'"], {"address": [HELD]}, ["Patient.address[0].extension[0]"]),
    "on the extension": (["use = 'home' and %extension.value = 'x'"], {"address": [HELD]}, []),
    "broken by the extension": (["%extension.value = 'y'"], {"address": [HELD]}, ["Patient.address[0].extension[0]"]),
    "as R4 writes it": (["%extension.valueString = 'x'"], {"address": [HELD]}, []),
    "on the resource": (["%resource.gender = 'male'"], {"address": [HELD]}, []),
    "broken by the resource": (["gender = 'female'"], {"extension": [HERE]}, ["Patient.extension[0]"]),
    "on a primitive": (["$this > @2019-01-01"], {"_birthDate": AROUND_DATE}, []),
    "broken by a primitive": (["$this > @2021"], {"_birthDate": AROUND_DATE}, ["Patient.birthDate.extension[0]"]),
    "around an extension": (["url = 'http://x'"], {"extension": [AROUND]}, ["Patient.extension[0].extension[0]"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_what_holds_an_extension_keeps_its_rules(case: str) -> None:
    rules, changes, places = RULES[case]
    packages = (ruled(*rules), definition(OUTER, ("element", "Element"), holds=False))
    found = check(wire.loads(wire.dumps({**ME, **changes})), *packages, profiles=())
    assert found == [("error", "Extension.url:contextInvariant", place) for place in places]


@pytest.mark.parametrize("rule", ["unheardOf(1)", "((", "%context.exists()"])
def test_a_rule_that_cannot_be_asked_is_named(rule: str) -> None:
    found = check({**ME, "extension": [HERE]}, ruled(rule), profiles=())
    assert found == [("information", "Extension.url:contextInvariant", "Patient.extension[0]")]


def test_what_was_right_in_one_resource_is_asked_again_in_another() -> None:
    validator = Validator(Definitions(core_facts(), [ruled("%resource.gender = 'male'")]))
    resources = [{**ME, "gender": gender, "address": [HELD]} for gender in ("male", "male", "male", "female", "male")]
    found = [[issue.rule for issue in validator.validate(resource).issues] for resource in resources]
    assert found == [[], [], [], ["Extension.url:contextInvariant"], []]


MAX_OCCURS = {"url": f"{HL7}/questionnaire-maxOccurs", "valueInteger": 3}


@pytest.mark.parametrize(
    ("item", "rules"),
    [
        ({"type": "string", "repeats": True, "extension": [MAX_OCCURS]}, []),
        ({"type": "string", "extension": [MAX_OCCURS]}, ["Extension.url:contextInvariant"]),
        ({"type": "string", "extension": [{**MAX_OCCURS, "valueInteger": 1}]}, []),
        ({"type": "display", "extension": [MAX_OCCURS]}, ["Extension.url:contextInvariant"]),
    ],
    ids=["it repeats", "three of what does not repeat", "one of what does not repeat", "of what is only shown"],
)
def test_rules_of_r4_are_asked(item: Json, rules: list[str]) -> None:
    resource = {"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "text": "?", **item}]}
    assert [rule for _, rule, _ in check(resource, profiles=())] == rules
