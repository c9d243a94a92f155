"""The closures for truth values agree with the general ones, whatever the item.

https://hl7.org/fhirpath/N1/#boolean-logic
"""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhir_server.definitions import Definitions, core_facts
from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.functions import logical
from fhir_server.fhirpath.names import names

PATIENT = names(Definitions(core_facts()), "Patient")
EXPRESSIONS = (
    "gender.exists()",
    "gender.empty() or birthDate.exists()",
    "name.exists() and name.text.empty()",
    "active = true implies gender = 'male'",
    "active != true",
    "gender != 'male'",
    "(gender = 'male').not()",
    "birthDate = '2020-01-01'",
    "birthDate != '2020-01-01T00:00:00Z'",
    "$this.gender = 'male'",
    "gender.where($this = 'male' or $this = 'other').empty()",
    "name.where(text = 'An').exists()",
    "name.where(text = 'An' and use.exists()).empty()",
    "name.where(text != 'An').exists()",
    "where(gender = 'male' and active = true).empty() or birthDate.exists()",
    "name.exists(text = 'An')",
    "name.all(text.matches('^A'))",
    "name.given.all(matches('n$') or startsWith('A'))",
    "gender.matches('^m')",
    "matches('^m')",
    "iif(birthDate > deceased.ofType(dateTime), false, true)",
    "birthDate <= '2020'",
    "birthDate < deceased.ofType(dateTime)",
    "birthDate = deceased.ofType(dateTime)",
    "birthDate.toString().length() < 10",
    "birthDate.substring(0, 4).toInteger() > 2019",
    "gender.where(substring(0, 1) = 'm').exists()",
    "name.text.where(matches('^2')).all(1900 + substring(2, 2).toInteger() div 2 * 10 = %resource.use.toInteger())",
    "use.where(true).all(substring(0, 4).toInteger() mod 2 = iif(%resource.gender = 'male', 0, 1))",
    "name.where(use.contains('n') or use.startsWith('2') or text.endsWith('e')).exists()",
    "name.where(use = 'male' or use = 'An' or use = '1').empty()",
    "name.where(text = @2020-01-01T00:00:00Z).exists()",
    "name.exists(text = @2020-01-01T00:00:00Z or use = 'An')",
    "active > 1",
    "where(gender = 'male').name.resolve().where(active = true).empty()",
    "name.text.resolve().exists()",
    "(use.toInteger() + 1) / 2 >= 1",
    "deceased.where($this != false).exists()",
    "extension.where(url = 'u').value.where($this = '1').exists()",
    "gender.extension.where(url = 'u').exists()",
    "extension('u').exists()",
    "name.id.exists()",
    "Patient.gender.exists()",
    "gender",
    "gender in ('male' | 'other')",
    "name.text.exists() xor active",
    "name.count() > 1",
    "name[0].text = 'An'",
    "birthDate.hasValue().not()",
    "birthDate.hasValue() or name.value.hasValue()",
    "extension.where(url = 'u').extension.where(url = 'An').value > birthDate",
    "name.text > birthDate",
    "name.text <= name.use",
    "iif(extension.value > deceased.ofType(dateTime), false, true)",
    "deceased.ofType(dateTime).exists()",
    "deceased.ofType(boolean).where($this = true).empty()",
    "extension.value.extension.where(url = 'u').exists()",
    "extension.where(url = 'u').extension.exists()",
    "name.where(text = 'An').extension.where(url = 'u').empty()",
    "gender.id.exists()",
    "%resource.name.exists(text = $this.gender)",
    "%resource.extension.value.where($this = 'An').exists()",
    "where(gender = 'male').name.where(text.resolve().where(active = true).exists()).exists()",
    "name.exists(given.exists(matches('n')) and use = 'An')",
    "name.all(given.all($this = 'An') or text.empty())",
    "name.given.all($this > 'An' and $this < 'male')",
    "name.where((text = 'An') != true).exists()",
    "(active = true) = false",
    "(gender.exists() and active = true) implies (name.exists() or birthDate > '2020')",
    "active implies gender.exists()",
    "name.exists() implies active",
    "active and gender = 'male'",
    "1 + 2 * 3 - 7 div 2 mod 3 > use.length()",
    "gender.substring(1, 2) = 'al'",
    "name.value.empty()",
    "value = 'An'",
    "value.exists()",
    "url.toInteger() div 2 = 0",
    "url.toInteger() mod use.toInteger() = 0",
    "iif(active, 1, 'a') = iif(gender = 'male', 1, 'b')",
    "name.text.endsWith('n').not()",
    "(name.text & extension.where(url = 'u').value).where(matches('^An')).all(iif($this < 'Anb', endsWith('1'), true))",
    "(name.given & gender).exists()",
    "true",
    "iif(active = true, gender = 'male', birthDate.exists())",
)
TEXTS = st.sampled_from(
    ["male", "An", "2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T07:00:00+07:00", "2021", "u", "1"]
)
LEAVES = st.none() | st.booleans() | TEXTS
MEMBERS = ("name", "text", "use", "given", "gender", "active", "birthDate", "extension", "url", "id", "valueString")
NAMES = st.sampled_from([*MEMBERS, "deceasedBoolean", "deceasedDateTime", "_gender", "_text", "_valueString"])
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(NAMES, inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=12,
)
PATIENTS = st.dictionaries(NAMES, ITEMS, max_size=7).map(lambda one: {"resourceType": "Patient", **one})


COMPILED = [(text, evaluation.compile(text, PATIENT), evaluation.truth(text, PATIENT)) for text in EXPRESSIONS]


@settings(max_examples=400)
@example({"resourceType": "Patient", "extension": {"extension": {}, "url": [None, "u"]}})
@given(PATIENTS | TEXTS | st.booleans())
def test_a_truth_value_is_that_of_the_collection(item: Any) -> None:
    resource = item if isinstance(item, dict) else {}

    def around() -> Around:
        return Around(resource, resolved={"An": {"active": True}, "u": {"active": False}}.get)

    for text, general, truth in COMPILED:
        assert (text, truth(item, around())) == (text, logical(general([item], around())))


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["name"] * 60) + ".exists()",
        "name.where(" * 30 + "text = 'An'" + ").exists()" * 30,
        "iif(active, " * 40 + "gender = 'male'" + ", true)" * 40,
        "(" * 40 + "gender = 'male'" + " or active)" * 40,
        "name.all(" * 30 + "text.matches('A')" + ")" * 30,
    ],
    ids=["a long path", "criteria within criteria", "choices within choices", "brackets", "all within all"],
)
def test_what_is_nested_too_deep_for_python_is_left_to_the_general_closures(text: str) -> None:
    patient: Any = {"resourceType": "Patient", "name": {"text": "An"}, "gender": "male", "active": True}
    for _ in range(60):
        patient["name"] = {"text": "An", "name": patient["name"]}
    general, truth = evaluation.compile(text, PATIENT), evaluation.truth(text, PATIENT)
    assert truth(patient, Around(patient)) is logical(general([patient], Around(patient)))


def test_moments_that_are_written_in_two_ways_are_the_same_within_a_criterion_too() -> None:
    patient = {"resourceType": "Patient", "name": [{"text": "2020-01-01T07:00:00+07:00", "use": "official"}]}
    for text in ("name.where(text = @2020-01-01T00:00:00Z).exists()", "name.exists(text = @2020-01-01T00:00:00Z)"):
        assert evaluation.truth(text, PATIENT)(patient, Around(patient)) is True
