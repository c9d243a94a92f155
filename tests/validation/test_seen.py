"""A validator that has seen much says what one says that has seen nothing."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Report, Validator, seen
from fhir_server.validation.report import Exists, Walk, below
from tests.validation.test_mutations import DEFAULTS, EXAMPLES, VALIDATOR
from tests.validation.test_robustness import OFFICIAL, mutants

Json = dict[str, Any]

BEFORE_2025, SINCE_2025 = "2025-06-30", "2026-11-22"
NATIONAL = list(EXAMPLES.values())


def report(resource: Json, today: str = SINCE_2025) -> Report:
    return VALIDATOR.validate(resource, today=today, defaults=DEFAULTS)


def report_of_who_remembers_nothing(resource: Json, today: str = SINCE_2025) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "MAX_LENGTH", -1)
        return report(resource, today)


def in_bundle(resource: Json) -> Json:
    entry = {"fullUrl": "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": resource}
    return {"resourceType": "Bundle", "type": "collection", "entry": [entry, deepcopy(entry)]}


@given(
    mutants(NATIONAL * 3 + OFFICIAL),
    st.sampled_from([BEFORE_2025, SINCE_2025]),
    st.sampled_from(["2019-05-01", "2025-08-01T10:00:00+07:00", None]),
    st.booleans(),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_remembered_changes_no_report(resource: Json, today: str, day: str | None, bundled: bool) -> None:
    if day is not None and resource.get("resourceType") == "Immunization":
        resource["occurrenceDateTime"] = day
    resource = in_bundle(resource) if bundled else resource
    expected = report_of_who_remembers_nothing(resource, today)
    assert report(resource, today) == expected
    assert report(resource, today) == expected  # once more, with all of it seen


def test_a_value_is_remembered() -> None:
    resource = EXAMPLES["Immunization"]
    report(resource)
    code: Json = deepcopy(resource)
    checked: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen.Seen, "_learn", lambda self, checks, place, text, *rest: checked.append(text))
        report(code)
        assert checked == []
        code["vaccineCode"]["text"] = "another"
        report(code)
    assert wire.dumps(code["vaccineCode"]) in checked


def test_what_a_value_asks_is_asked_again_where_it_stands() -> None:
    resource: Json = deepcopy(EXAMPLES["Immunization"])
    report(resource)
    resource["performer"] = [{"actor": {"display": "A. N. Other"}}, *resource["performer"]]
    asked = {one.expression for one in report(resource).questions if isinstance(one, Exists)}
    places = range(1, len(resource["performer"]))
    assert {f"Immunization.performer[{place}].actor" for place in places} <= asked


def test_a_code_seen_on_its_day_is_refused_on_another() -> None:
    patient: Json = deepcopy(EXAMPLES["Patient"])
    rules = [
        {issue.rule for issue in report(patient, today).issues if str(issue.rule).endswith(":period")}
        for today in (SINCE_2025, BEFORE_2025, SINCE_2025)
    ]
    assert rules[0] == rules[2] == set()
    assert rules[1]


def test_a_rule_that_looks_at_the_whole_resource_is_asked_each_time() -> None:
    """`#id` is right only where the contained resource is."""
    performer: Json = {"actor": {"reference": "#nurse"}}
    nurse = {"resourceType": "Practitioner", "id": "nurse"}
    dose: Json = {**deepcopy(EXAMPLES["Immunization"]), "performer": [performer]}
    assert "ref-1" not in {issue.rule for issue in report({**dose, "contained": [nurse]}).issues}
    assert "ref-1" in {issue.rule for issue in report(dose).issues}


def test_not_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MAX_VALUES", 4)
    found, walk = seen.Seen(), Walk()
    check = found.once([lambda value, path, walk: None])
    kept = []
    for value in [{"text": str(number)} for number in range(50)]:
        check(value, below(walk.base, "code"), walk)
        kept.append(sum(len(place.late) + len(place.old) for place in found._places))
    assert max(kept) == 4


def test_what_comes_again_stays_when_much_else_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MAX_VALUES", 8)
    checked: list[Any] = []
    found, walk = seen.Seen(), Walk()
    check = found.once([lambda value, path, walk: checked.append(value)])
    often = {"text": "often"}
    for number in range(40):
        check(dict(often), below(walk.base, "code"), Walk())
        check({"text": str(number)}, below(walk.base, "code"), Walk())
    assert checked.count(often) == 1
    assert len(checked) == 41


def test_a_value_within_another_counts_where_the_outer_one_is_new() -> None:
    """A new street in a ward seen before: the ward is not looked up again; on another day it is."""
    patient: Json = deepcopy(EXAMPLES["Patient"])
    report(patient)
    checked: list[bytes] = []
    learn = seen.Seen._learn

    def noting(self: seen.Seen, checks: Any, place: Any, text: bytes, *rest: Any) -> None:
        checked.append(text)
        learn(self, checks, place, text, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen.Seen, "_learn", noting)
        patient["address"][0]["line"] = ["Số 1, phố Mới"]
        report(patient)
    wards = [wire.dumps(part) for part in patient["address"][0]["extension"]]
    assert wire.dumps(patient["address"][0]) in checked
    assert not set(wards) & set(checked)


def test_an_extension_seen_in_its_place_is_refused_in_another() -> None:
    patient: Json = deepcopy(EXAMPLES["Patient"])
    ward = patient["address"][0]["extension"][0]
    report(patient)
    patient["name"][0]["extension"] = [ward]
    found = [(issue.rule, issue.expression) for issue in report(patient).issues]
    assert ("Extension.url:context", "Patient.name[0].extension[0]") in found


RULES: dict[str, tuple[str, Json, str, Json, str]] = {
    "the resource around it": ("%resource.active = true", {"active": True}, "2026", {"active": False}, "2026"),
    "what a reference leads to": (
        "extension.value.resolve().name.exists()",
        {"contained": [{"resourceType": "Organization", "id": "o", "name": "Trạm Y tế"}]},
        "2026",
        {"contained": [{"resourceType": "Organization", "id": "o", "active": True}]},
        "2026",
    ),
    "the calendar": ("period.end >= today()", {}, "2026-11-22", {}, "2026-11-24"),
}


@pytest.mark.parametrize(("expression", "right", "day", "wrong", "later"), RULES.values(), ids=list(RULES))
def test_a_rule_of_an_element_that_looks_beyond_it_is_asked_each_time(
    expression: str, right: Json, day: str, wrong: Json, later: str
) -> None:
    url = "http://example.org/StructureDefinition/own"
    constraint = {"key": "own-1", "severity": "error", "human": "…", "expression": expression}
    profile = {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.address", "path": "Patient.address", "constraint": [constraint]}]},
    }
    validator = Validator(Definitions(core_facts(), [profile]))
    by = {"url": "http://example.org/by", "valueReference": {"reference": "#o"}}
    patient: Json = {"resourceType": "Patient", "address": [{"extension": [by], "period": {"end": "2026-11-23"}}]}
    found = [
        "own-1" in {issue.rule for issue in validator.validate({**patient, **more}, [url], today=today).issues}
        for more, today in ((right, day), (wrong, later), (right, day))
    ]
    assert found == [False, True, False]
