"""https://hl7.org/fhir/R4/conformance-module.html: what follows from definitions; what is not sound is left out."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.knowledge.built import WATCHED, Knowledge, Sources, knowledge_of
from fhir_server.search.parameters import Building
from tests.http.test_search_parameters import BAD, parameter

Json = dict[str, Any]
COLOURS, SET = "http://example.vn/colours", "http://example.vn/set"


def codes(*each: str, **changes: Any) -> Json:
    concepts = [{"code": code} for code in each]
    return {"resourceType": "CodeSystem", "url": COLOURS, "content": "complete", "concept": concepts, **changes}


def value_set(url: str = SET, **include: Any) -> Json:
    return {"resourceType": "ValueSet", "url": url, "compose": {"include": [include or {"system": COLOURS}]}}


def sources(*shipped: Json) -> Sources:
    return Sources(lambda: shipped, frozenset({"shipped"}), "http://here/fhir", "", ZoneInfo("Asia/Ho_Chi_Minh"))


def searchable(knowledge: Knowledge, type: str = "Patient") -> set[str]:
    known = knowledge.indexer.catalogue.parameters(type)
    return {code for code, each in known.items() if each.unsupported is None}


def listed(knowledge: Knowledge, url: str = SET) -> set[str] | None:
    found = knowledge.definitions.codes(url)
    return None if found is None else {code for codes in found.values() for code in codes}


def test_what_is_stored_is_added_to_what_ships() -> None:
    shipped = sources(codes("red"), value_set())
    first = knowledge_of(shipped, [], 1)
    assert (listed(first), first.generation) == ({"red"}, 1)
    more = value_set("http://example.vn/more", system=COLOURS, concept=[{"code": "blue"}])
    later = knowledge_of(shipped, [more], 2, first)
    assert (listed(later), listed(later, "http://example.vn/more")) == ({"red"}, {"blue"})
    assert listed(first, "http://example.vn/more") is None  # who works with it still does
    assert listed(knowledge_of(shipped, [], 3, later), "http://example.vn/more") is None


def test_a_value_set_that_ships_follows_what_is_stored_in_place_of_its_parts() -> None:
    shipped = sources(codes("red"), value_set())
    first = knowledge_of(shipped, [], 1)
    later = knowledge_of(shipped, [codes("red", "green")], 2, first)
    assert listed(later) == {"red", "green"}
    assert listed(knowledge_of(shipped, [], 3, later)) == {"red"}


def test_the_last_of_a_url_counts() -> None:
    one, other = parameter("box"), parameter("box", expression="Patient.identifier")
    assert knowledge_of(sources(one), [other], 1).rules == knowledge_of(sources(other), [], 1).rules
    assert knowledge_of(sources(), [one, other], 1).rules == knowledge_of(sources(), [other], 1).rules


def test_a_version_that_is_not_in_force_is_a_question_for_the_terminology_service() -> None:
    made = knowledge_of(sources(), [codes("red"), value_set() | {"version": "2"}], 1)
    assert [listed(made, url) for url in (SET, f"{SET}|2", f"{SET}|1")] == [{"red"}, {"red"}, None]


def test_answers_are_checked_against_a_questionnaire_that_is_stored() -> None:
    form: Json = {
        "resourceType": "Questionnaire",
        "url": "http://example.vn/screening",
        "status": "active",
        "item": [{"linkId": "fever", "text": "Fever?", "type": "boolean", "required": True}],
    }
    answers: Json = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": form["url"]}
    before = knowledge_of(sources(), [], 1)
    after = knowledge_of(sources(), [form], 2, before)
    errors = [
        [issue.expression for issue in made.validator.validate(answers).issues if issue.severity == "error"]
        for made in (before, after)
    ]
    assert errors == [[], ["QuestionnaireResponse"]]
    assert "Questionnaire" in WATCHED


def test_only_search_parameters_need_no_more_than_that() -> None:
    first = knowledge_of(sources(value_set()), [codes("red")], 1)
    later = knowledge_of(sources(), [codes("red"), parameter("box")], 2, first, only_parameters=True)
    assert later.base is first.base
    assert later.validator is first.validator
    assert searchable(later) - searchable(first) == {"box"}


@pytest.mark.parametrize("case", BAD)
def test_a_parameter_that_cannot_be_searched_by_is_named_and_hurts_nothing(case: str) -> None:
    changes, _ = BAD[case]
    bad = {key: value for key, value in parameter("bad", **changes).items() if value is not None}
    knowledge = knowledge_of(sources(), [bad, parameter("good")], 1)
    assert list(knowledge.refused) == ["http://example.vn/fhir/SearchParameter/bad"]
    plain = knowledge_of(sources(), [parameter("good")], 1)
    assert knowledge.rules == plain.rules
    assert "good" in searchable(knowledge)


def test_a_composite_may_be_stored_before_its_parts() -> None:
    parts = [parameter("one"), parameter("two", expression="Patient.maritalStatus")]
    components = [
        {"definition": parts[0]["url"], "expression": f"identifier.where(system = '{COLOURS}')"},
        {"definition": parts[1]["url"], "expression": "maritalStatus"},
    ]
    pair = parameter("pair", type="composite", expression="Patient", component=components)
    knowledge = knowledge_of(sources(), [pair, *parts], 1)
    assert knowledge.refused == {}
    assert {"one", "two", "pair"} <= searchable(knowledge)


DAMAGED = {
    "a code system": codes("red", concept=[{"display": "no code"}]),
    "a value set": {
        "resourceType": "ValueSet",
        "url": SET,
        "compose": {"include": [{"system": COLOURS, "filter": [{}]}]},
    },
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_cannot_be_read_is_left_out(case: str, caplog: pytest.LogCaptureFixture) -> None:
    more = value_set("http://example.vn/more", system=COLOURS, concept=[{"code": "blue"}])
    knowledge = knowledge_of(sources(codes("red")), [DAMAGED[case], more], 1)
    assert listed(knowledge, "http://example.vn/more") == {"blue"}
    assert "is not in force" in caplog.text


def test_what_is_unbuilt_is_indexed_but_not_searched() -> None:
    knowledge = knowledge_of(sources(), [parameter("box")], 1)
    box = {
        "resourceType": "Patient",
        "id": "a",
        "identifier": [{"system": "http://example.vn/fhir/sid/box", "value": "7"}],
    }
    partly = knowledge.without({"Patient": {"box": Building(1, 4)}})
    assert partly.indexer.index(box) == knowledge.indexer.index(box)
    assert any(entry.startswith("box|7") for entry in partly.indexer.index(box).entries)
    assert searchable(knowledge) - searchable(partly) == {"box"}
    assert partly.indexer.catalogue.parameters("Patient")["box"].unsupported is not None
    assert "25 % done" in partly.indexer.catalogue.parameters("Patient")["box"].unsupported[0]
