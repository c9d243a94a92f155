"""https://hl7.org/fhir/R4/questionnaireresponse.html#notes"""
# ruff: noqa: E501 (a table with one case a line)

from typing import Any

import pytest

from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Validator

Json = dict[str, Any]
UCUM = "http://unitsofmeasure.org"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire"
HL7 = "http://hl7.org/fhir/StructureDefinition"
URL = "http://example.org/Questionnaire/screening"
FORM = {
    "resourceType": "Questionnaire",
    "url": URL,
    "status": "active",
    "item": [
        {"linkId": "fever", "type": "boolean", "required": True},
        {"linkId": "temperature", "type": "decimal", "required": True, "enableWhen": [{"question": "fever", "operator": "=", "answerBoolean": True}], "extension": [{"url": f"{HL7}/maxValue", "valueDecimal": 45}, {"url": f"{HL7}/maxDecimalPlaces", "valueInteger": 1}]},
        {"linkId": "site", "type": "choice", "answerOption": [{"valueCoding": {"system": "http://s", "code": "left"}}, {"valueCoding": {"system": "http://s", "code": "right"}}]},
        {"linkId": "note", "type": "text", "maxLength": 5, "repeats": True, "extension": [{"url": f"{HL7}/questionnaire-maxOccurs", "valueInteger": 2}]},
        {"linkId": "dose", "type": "quantity", "extension": [{"url": f"{HL7}/questionnaire-unitValueSet", "valueCanonical": "http://hl7.org/fhir/ValueSet/duration-units"}]},
        {"linkId": "weight", "type": "quantity", "extension": [{"url": f"{SDC}-minQuantity", "valueQuantity": {"value": 1, "system": UCUM, "code": "kg"}}, {"url": f"{SDC}-maxQuantity", "valueQuantity": {"value": 90, "system": UCUM, "code": "kg"}}]},
        {"linkId": "abstract", "type": "question"},
        {"linkId": "group", "type": "group", "item": [{"linkId": "date", "type": "date"}]},
    ],
}  # fmt: skip
VALIDATOR = Validator(Definitions(core_facts(), [FORM]))


def item(link: str, *answers: Json, **more: Any) -> Json:
    """Return an item of a response."""
    return {"linkId": link, **({"answer": list(answers)} if answers else {}), **more}


NO, YES = item("fever", {"valueBoolean": False}), item("fever", {"valueBoolean": True})
LEFT = {"valueCoding": {"system": "http://s", "code": "left"}}


def rules(*items: Json, status: str = "completed") -> list[str]:
    """Return the rules that a response breaks."""
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{URL}|1",
        "status": status,
        "item": list(items),
    }
    issues = VALIDATOR.validate(response).issues
    return [str(issue.rule).partition(":")[2] for issue in issues if issue.severity == "error"]


ACCEPTED: dict[str, list[Json]] = {
    "what is asked for": [NO],
    "what is asked for under a condition": [YES, item("temperature", {"valueDecimal": 38})],
    "an option": [NO, item("site", LEFT)],
    "a unit of the value set": [NO, item("dose", {"valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "d"}})],
    "a quantity within limits in another unit": [NO, item("weight", {"valueQuantity": {"value": 3500, "system": UCUM, "code": "g"}})],
    "several answers": [NO, item("note", {"valueString": "a"}, {"valueString": "b"})],
    "a group": [NO, item("group", item=[item("date", {"valueDate": "2026-01-01"})])],
}  # fmt: skip


@pytest.mark.parametrize("items", ACCEPTED.values(), ids=ACCEPTED)
def test_a_response_that_answers_its_form_is_accepted(items: list[Json]) -> None:
    assert rules(*items) == []


REFUSED: dict[str, tuple[list[Json], str]] = {
    "nothing of what is required": ([item("site", LEFT)], "required"),
    "nothing of what a condition requires": ([YES], "required"),
    "an item that the form does not have": ([NO, item("fevre", {"valueBoolean": True})], "linkId"),
    "an item in another place": ([NO, item("date", {"valueDate": "2026-01-01"})], "linkId"),
    "an answer of another type": ([item("fever", {"valueString": "no"})], "type"),
    "two answers where one may be": ([item("fever", {"valueBoolean": True}, {"valueBoolean": False}), item("temperature", {"valueDecimal": 38})], "count"),
    "more answers than may be": ([NO, item("note", {"valueString": "a"}, {"valueString": "b"}, {"valueString": "c"})], "count"),
    "the same item twice": ([NO, NO], "repeats"),
    "no option": ([NO, item("site", {"valueCoding": {"system": "http://s", "code": "nose"}})], "option"),
    "a long answer": ([NO, item("note", {"valueString": "abcdef"})], "limit"),
    "a value over the greatest": ([YES, item("temperature", {"valueDecimal": 46})], "limit"),
    "a unit that is not offered": ([NO, item("dose", {"valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "kg"}})], "limit"),
    "a quantity below the least in another unit": ([NO, item("weight", {"valueQuantity": {"value": 350, "system": UCUM, "code": "g"}})], "limit"),
    "a quantity of something else": ([NO, item("weight", {"valueQuantity": {"value": 35, "system": UCUM, "code": "cm"}})], "limit"),
    "a unit without code": ([NO, item("dose", {"valueQuantity": {"value": 2, "unit": "d"}})], "limit"),
    "an answer to an abstract type": ([NO, item("abstract", {"valueString": "a"})], "answer"),
    "an answer to a group": ([NO, item("group", {"valueString": "a"})], "answer"),
}  # fmt: skip


@pytest.mark.parametrize(("items", "rule"), REFUSED.values(), ids=REFUSED)
def test_a_response_that_does_not_is_refused(items: list[Json], rule: str) -> None:
    assert rule in rules(*items)


def test_who_has_not_finished_may_leave_answers_out() -> None:
    assert rules(item("site", LEFT), status="in-progress") == []
