"""Rules beyond structure: R4's constraints, extensions in their places, Bundles, codes valid in time, questions.

https://hl7.org/fhir/R4/validation.html
"""
# ruff: noqa: E501 (tables with one case a line)

from typing import Any

import pytest

from fhir_server.definitions import Definitions, core, core_facts
from fhir_server.validation import CodeIsIn, Defaults, Exists, MatchesProfile, Validator
from fhir_server.validation.report import below, root
from fhir_server.validation.sayings import VIETNAMESE
from tests.validation.test_profiles import BASE, HL7, profile

Json = dict[str, Any]

AT = below(root("Immunization"), "patient")

ME: Json = {"resourceType": "Patient", "id": "me"}
DOSE: Json = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"text": "BCG"},
    "patient": {"reference": "Patient/me"},
    "occurrenceDateTime": "2019-05-06",
}
NATIVE = {"url": f"{HL7}/patient-birthTime", "valueDateTime": "2020-01-01T08:00:00+07:00"}


def errors(resource: Json, validator: Validator | None = None, **wishes: Any) -> list[tuple[str | None, str | None]]:
    """Return rule and place of each error."""
    report = (validator or Validator(core())).validate(resource, **wishes)
    return [(issue.rule, issue.expression) for issue in report.issues if issue.severity == "error"]


def bundle(type: str, *entries: Json, **more: Any) -> Json:
    """Return a Bundle."""
    return {"resourceType": "Bundle", "type": type, "entry": list(entries), **more}


UUID = "urn:uuid:c757873d-ec9a-4326-a141-556f4323952"
COMPOSITION = {
    "resourceType": "Composition",
    "id": "c",
    "status": "final",
    "type": {"text": "x"},
    "date": "2020",
    "title": "x",
    "author": [{"reference": f"{UUID}1"}],
}
OLDER = {
    "fullUrl": "http://x/Practitioner/p",
    "resource": {"resourceType": "Practitioner", "id": "p", "meta": {"versionId": "1"}},
}
NEWER = {
    "fullUrl": "http://x/Practitioner/p",
    "resource": {"resourceType": "Practitioner", "id": "p", "meta": {"versionId": "2"}},
}


def naming(version: int) -> Json:
    """Return a Composition whose author is one version of a Practitioner, in its entry."""
    author = {"reference": f"Practitioner/p/_history/{version}"}
    return {"fullUrl": "http://x/Composition/c", "resource": {**COMPOSITION, "author": [author]}}


TWICE = {
    "resourceType": "Questionnaire",
    "status": "active",
    "item": [
        {"linkId": "a", "type": "string"},
        {
            "linkId": "b",
            "type": "string",
            "enableWhen": [{"question": "a", "operator": "exists", "answerBoolean": True}] * 2,
        },
    ],
}
DOCUMENT = {"identifier": {"system": "http://x", "value": "1"}, "timestamp": "2020-01-01T00:00:00Z"}

BROKEN: dict[str, tuple[Json, tuple[str, str]]] = {
    "a period that ends before it starts": ({**ME, "name": [{"text": "a", "period": {"start": "2021", "end": "2020"}}]}, ("per-1", "Patient.name[0].period")),
    "a contact without anything": ({**ME, "contact": [{"gender": "male"}]}, ("pat-1", "Patient.contact[0]")),
    "data without a content type": ({**ME, "photo": [{"data": "aGVs"}]}, ("att-1", "Patient.photo[0]")),
    "a size that is not that of the data": ({**ME, "photo": [{"contentType": "image/png", "data": "aGVs", "size": 4}]}, ("Attachment.size:data", "Patient.photo[0].size")),
    "a probability over 100": ({"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/me"}, "prediction": [{"probabilityDecimal": 101}]}, ("ras-2", "RiskAssessment.prediction[0]")),
    "a telecom value without system": ({**ME, "telecom": [{"value": "1"}]}, ("cpt-2", "Patient.telecom[0]")),
    "an extension of the id": ({**ME, "_id": {"extension": [NATIVE]}}, ("Resource.id:extension", "Patient.id")),
    "an extension in another place": ({**ME, "birthDate": "2020-01-01", "extension": [NATIVE]}, ("Extension.url:context", "Patient.extension[0]")),
    "an extension with another type of value": ({**ME, "birthDate": "2020-01-01", "_birthDate": {"extension": [{**NATIVE, "valueDateTime": "x"}]}}, ("Extension.value[x]:format", "Patient.birthDate.extension[0].value.ofType(dateTime)")),
    "an extension with a value it may not have": ({**ME, "_gender": {"extension": [{"url": f"{HL7}/data-absent-reason", "valueCode": "so"}]}}, ("Extension.value[x]:binding", "Patient.gender.extension[0].value.ofType(code)")),
    "a modifier extension that nobody knows": ({**ME, "modifierExtension": [{"url": "http://nobody.knows", "valueCode": "a"}]}, ("Extension.url:modifier", "Patient.modifierExtension[0]")),
    "a code that FHIR's own system does not have": ({"resourceType": "Basic", "code": {"coding": [{"system": "http://hl7.org/fhir/resource-types", "code": "Patiant"}]}}, ("Coding.code:unknown", "Basic.code.coding[0]")),
    "a total in a collection": (bundle("collection", {"fullUrl": f"{UUID}1", "resource": ME}, total=1), ("bdl-1", "Bundle")),
    "the same full URL twice": (bundle("collection", {"fullUrl": "http://x/Patient/me", "resource": ME}, {"fullUrl": "http://x/Patient/me", "resource": ME}), ("bdl-7", "Bundle")),
    "a full URL that is none": (bundle("collection", {"fullUrl": "Patient/me", "resource": ME}), ("Bundle.entry.fullUrl:absolute", "Bundle.entry[0].fullUrl")),
    "a full URL of another id": (bundle("collection", {"fullUrl": "http://x/Patient/you", "resource": ME}), ("Bundle.entry.fullUrl:id", "Bundle.entry[0].fullUrl")),
    "a UUID in upper case": (bundle("collection", {"fullUrl": f"{UUID.upper()}1".replace("URN:UUID", "urn:uuid"), "resource": ME}), ("Bundle.entry.fullUrl:uuid", "Bundle.entry[0].fullUrl")),
    "two links to itself": (bundle("searchset", link=[{"relation": "self", "url": "http://x"}] * 2), ("Bundle.link:once", "Bundle.link[1]")),
    "a match without id": (bundle("searchset", {"fullUrl": f"{UUID}1", "resource": {"resourceType": "Patient", "active": True}}), ("Bundle.entry.resource:id", "Bundle.entry[0].resource.id")),
    "a document that begins otherwise": (bundle("document", {"fullUrl": f"{UUID}1", "resource": ME}, **DOCUMENT), ("bdl-11", "Bundle")),
    "a document that lacks its author": (bundle("document", {"fullUrl": f"{UUID}2", "resource": COMPOSITION}, **DOCUMENT), ("Bundle:document", "Bundle.entry[0].resource.author[0]")),
    "a document that lacks the version": (bundle("document", naming(3), OLDER, NEWER, **DOCUMENT), ("Bundle:document", "Bundle.entry[0].resource.author[0]")),
    "two conditions without a behaviour": (TWICE, ("que-12", "Questionnaire.item[1]")),
    "a transaction without requests": (bundle("transaction", {"fullUrl": f"{UUID}1", "resource": ME}), ("bdl-3", "Bundle")),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_reported_at_its_place(resource: Json, expected: tuple[str, str]) -> None:
    assert expected in errors(resource)


ACCEPTED: dict[str, Json] = {
    "an extension in its place": {**ME, "birthDate": "2020-01-01", "_birthDate": {"extension": [NATIVE]}},
    "an extension that nobody knows": {**ME, "extension": [{"url": "http://nobody.knows", "valueCode": "a"}]},
    "a new code of a system that goes on": {**ME, "identifier": [{"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NEW"}]}}]},
    "a document that holds the version": bundle("document", naming(2), OLDER, NEWER, **DOCUMENT),
    "a document that holds its author": bundle("document", {"fullUrl": f"{UUID}2", "resource": COMPOSITION}, {"fullUrl": f"{UUID}1", "resource": {"resourceType": "Practitioner", "id": "p"}}, **DOCUMENT),
    "periods of different precision": {**ME, "name": [{"text": "a", "period": {"start": "2020-06", "end": "2020-06-01"}}]},
}  # fmt: skip


@pytest.mark.parametrize("resource", ACCEPTED.values(), ids=ACCEPTED)
def test_what_no_rule_forbids_is_accepted(resource: Json) -> None:
    assert errors(resource) == []


def test_good_advice_is_given_to_who_asks_for_it() -> None:
    validator = Validator(core())
    assert validator.validate(ME).issues == ()
    told = validator.validate(ME, best_practice=True).issues
    assert [(issue.severity, issue.rule) for issue in told] == [("information", "dom-6")]


def test_every_vietnamese_saying_is_of_a_rule_of_r4() -> None:
    definitions = core()
    keys: set[str] = set()
    for name in definitions._types:
        waiting = [definitions.element(name)]
        while waiting:
            element = waiting.pop()
            keys |= {constraint.key for constraint in element.constraints}
            waiting.extend(element.children)
    assert VIETNAMESE.keys() <= keys


def test_every_rule_of_r4_is_compiled() -> None:
    definitions = core()
    validator = Validator(definitions)
    for name in definitions.resource_types:
        validator.validate({"resourceType": name, **{key: [{}] for key in definitions.type(name).members}})  # type: ignore[union-attr]


UNITS = {
    "resourceType": "CodeSystem",
    "url": "http://example.org/units",
    "content": "complete",
    "concept": [
        {"code": "old", "property": [{"code": "validTo", "valueDateTime": "2025-06-30"}]},
        {"code": "new", "property": [{"code": "validFrom", "valueDateTime": "2025-07-01"}]},
        {"code": "ever"},
    ],
}
OF_UNITS = {
    "resourceType": "ValueSet",
    "url": "http://example.org/of-units",
    "compose": {"include": [{"system": "http://example.org/units"}]},
}
BINDING = {"strength": "required", "valueSet": "http://example.org/of-units"}
DATED = Validator(
    Definitions(
        core_facts(),
        [
            UNITS,
            OF_UNITS,
            profile({"id": "Immunization.vaccineCode", "binding": BINDING}, url=f"{BASE}/dose", type="Immunization"),
            profile(
                {
                    "id": "Patient.address.extension",
                    "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"},
                },
                {
                    "id": "Patient.address.extension:unit",
                    "type": [{"code": "Extension", "profile": ["http://example.org/unit"]}],
                },
                url=f"{BASE}/resident",
            ),
            {
                **profile(
                    {"id": "Extension.value[x]", "binding": BINDING}, url="http://example.org/unit", type="Extension"
                ),
                "kind": "complex-type",
            },
        ],
    )
)


@pytest.mark.parametrize(
    ("code", "day", "good"),
    [("old", "2019-05-06", True), ("old", "2025-07-01", False), ("new", "2025-06-30T08:00:00+07:00", False), ("new", "2025", True), ("old", "2025-06", True), ("ever", "1990", True), ("new", "2025-06-30T17:00:00Z", True), ("old", "2025-06-30T17:00:00Z", True), ("new", "2025-06-29T17:00:00Z", False)],
)  # fmt: skip
def test_a_dose_is_checked_against_the_codes_of_its_day(code: str, day: str, good: bool) -> None:
    dose = {**DOSE, "occurrenceDateTime": day, "vaccineCode": {"coding": [{"system": UNITS["url"], "code": code}]}}
    found = errors(dose, DATED, profiles=[f"{BASE}/dose"], today="2026-11-22")
    assert found == ([] if good else [("Immunization.vaccineCode:period", "Immunization.vaccineCode")])


@pytest.mark.parametrize(
    ("code", "period", "good"),
    [("old", None, False), ("new", None, True), ("old", {"end": "2020"}, True), ("new", {"end": "2020"}, False), ("new", {"start": "2020"}, True)],
)  # fmt: skip
def test_an_address_is_checked_against_the_codes_of_its_end_or_of_today(
    code: str, period: Json | None, good: bool
) -> None:
    extension = {"url": "http://example.org/unit", "valueCoding": {"system": UNITS["url"], "code": code}}
    address = {"extension": [extension], **({"period": period} if period else {})}
    found = errors({**ME, "address": [address]}, DATED, profiles=[f"{BASE}/resident"], today="2026-11-22")
    assert [rule for rule, _ in found] == ([] if good else ["Extension.value[x]:period"])


def test_what_only_others_can_tell_is_asked() -> None:
    target = [{"code": "Reference", "targetProfile": [f"{BASE}/own"]}]
    binding = {"strength": "required", "valueSet": "http://nobody.knows"}
    own = profile(
        {"id": "Immunization.patient", "type": target},
        {"id": "Immunization.vaccineCode", "binding": binding},
        url=f"{BASE}/dose",
        type="Immunization",
    )
    validator = Validator(Definitions(core_facts(), [own, profile()]))
    dose = {**DOSE, "vaccineCode": {"coding": [{"system": "http://c", "code": "1"}]}}
    exists, follows, coded = validator.validate(dose, [f"{BASE}/dose"]).questions
    assert exists == Exists("Patient", "me", None, AT)
    assert isinstance(follows, MatchesProfile | CodeIsIn)
    by_type = {type(question): question for question in (follows, coded)}
    assert by_type[MatchesProfile] == MatchesProfile(
        "Patient", "me", (f"{BASE}/own",), AT, "Immunization.patient:targetProfile", f"{BASE}/dose"
    )
    assert by_type[CodeIsIn] == CodeIsIn(
        "http://nobody.knows",
        (("http://c", "1"),),
        "error",
        ("2019-05-06", "2019-05-06"),
        below(root("Immunization"), "vaccineCode"),
        "Immunization.vaccineCode:binding",
        f"{BASE}/dose",
    )


@pytest.mark.parametrize(("enforced", "severity"), [(True, "error"), (False, "warning")], ids=["enforced", "warned"])
def test_the_profiles_of_a_type_are_checked_without_being_declared(enforced: bool, severity: str) -> None:
    validator = Validator(Definitions(core_facts(), [profile({"id": "Patient.birthDate", "min": 1})]))
    defaults = Defaults(validator.by_type((f"{BASE}/own",)), enforced)
    (issue,) = validator.validate(ME, defaults=defaults).issues
    assert (issue.severity, issue.rule) == (severity, "Patient.birthDate:min")
    assert validator.validate({**ME, "birthDate": "2020"}, defaults=defaults).issues == ()


def test_missing_must_support_elements_are_told_on_request() -> None:
    validator = Validator(Definitions(core_facts(), [profile({"id": "Patient.gender", "mustSupport": True})]))
    assert validator.validate(ME, [f"{BASE}/own"]).issues == ()
    (issue,) = validator.validate(ME, [f"{BASE}/own"], must_support=True).issues
    assert (issue.severity, issue.rule) == ("information", "Patient.gender:mustSupport")


def test_an_empty_array_supports_nothing() -> None:
    validator = Validator(Definitions(core_facts(), [profile({"id": "Patient.address", "mustSupport": True})]))
    found = validator.validate({**ME, "address": []}, [f"{BASE}/own"], must_support=True).issues
    assert [issue.rule for issue in found] == ["Patient.address:shape", "Patient.address:mustSupport"]


LIMITS: list[tuple[Json, str, bool]] = [
    ({"minValueDate": "2000-01-01"}, "1999-12-31", False),
    ({"minValueDate": "2000-01-01"}, "2000-01-01", True),
    ({"maxValueDate": "2000-01-01"}, "2000-01-02", False),
    ({"minValueQuantity": {"value": 100, "code": "a"}}, "1926-11-21", False),
    ({"minValueQuantity": {"value": 100, "code": "a"}}, "1926-11-22", True),
    ({"maxValueQuantity": {"value": 2, "code": "d"}}, "2026-11-24", True),
    ({"maxValueQuantity": {"value": 2, "code": "d"}}, "2026-11-25", False),
]


@pytest.mark.parametrize(("limit", "born", "good"), LIMITS, ids=range(len(LIMITS)))
def test_least_and_greatest_values_may_be_relative_to_today(limit: Json, born: str, good: bool) -> None:
    validator = Validator(Definitions(core_facts(), [profile({"id": "Patient.birthDate", **limit})]))
    found = errors({**ME, "birthDate": born}, validator, profiles=[f"{BASE}/own"], today="2026-11-22")
    assert [place for _, place in found] == ([] if good else ["Patient.birthDate"])


UNITS_OF_UCUM = [
    "mL",
    "ml",
    "mg/kg",
    "[iU]",
    "{dose}",
    "10*3/uL",
    "%",
    "[pH]",
    "dB",
    "dB[SPL]",
    "Cel",
    "mm[Hg]",
    "1",
]


@pytest.mark.parametrize(
    ("code", "good"),
    [*((code, True) for code in UNITS_OF_UCUM), ("cc", False), ("ML.", False), ("liều", False), ("x" * 200, False)],
)
def test_a_unit_that_is_said_to_be_of_ucum_is_one(r4: Validator, code: str, good: bool) -> None:
    quantity = {"value": 1, "unit": "đơn vị", "system": "http://unitsofmeasure.org", "code": code}
    report = r4.validate({**DOSE, "doseQuantity": quantity})
    found = [(issue.severity, issue.expression) for issue in report.issues if issue.rule == "Quantity.code:ucum"]
    assert found == ([] if good else [("warning", "Immunization.doseQuantity.code")])


def test_a_unit_of_another_system_is_not_looked_up(r4: Validator) -> None:
    quantity = {"value": 1, "system": "http://example.org/units", "code": "cc"}
    assert not r4.validate({**DOSE, "doseQuantity": quantity}).issues
