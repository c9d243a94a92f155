"""By what rules resources are indexed: equal exactly when the entries would be.

https://hl7.org/fhir/R4/searchparameter.html
"""

import importlib
from collections import defaultdict
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from fhir_server.definitions import Definitions, core
from fhir_server.search import parameters
from fhir_server.search.rules import FORMATS, rules
from tests.search.searching import BASE, CATALOGUE, INDEXER

HANOI, LONDON = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/London")
Json = dict[str, Any]


def custom(code: str, **changes: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.vn/{code}",
        "code": code,
        "base": ["Observation"],
        "type": "token",
        "expression": "Observation.method",
        **changes,
    }


def of(definitions: Definitions | None = None, url: str = "", zone: ZoneInfo = HANOI) -> dict[str, str]:
    return rules(definitions or core(), "Observation", url, zone)


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def kinds(names: set[str]) -> set[str]:
    known = CATALOGUE.indexed("Observation")
    return {known[name].type for name in names}


def test_the_same_definitions_give_the_same_rules() -> None:
    assert of() == of(Definitions(parameters.core_facts()))


def test_every_parameter_that_has_entries_has_a_rule() -> None:
    for type in ("Patient", "Immunization", "Observation", "ConceptMap"):
        known = CATALOGUE.indexed(type)
        named = {each.name for each in known.values() if each.unsupported is None} - parameters.BUILT_IN
        assert named <= rules(core(), type, "", HANOI).keys()


def test_another_zone_concerns_dates_and_what_is_made_of_them() -> None:
    assert kinds(changed(of(), of(zone=LONDON))) == {"date", "composite"}


def test_another_base_url_concerns_references_and_what_is_made_of_them() -> None:
    assert kinds(changed(of(), of(url="https://imm.example.vn/fhir"))) == {"reference", "composite"}


def test_another_way_of_writing_concerns_its_type_and_what_is_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of()
    monkeypatch.setitem(FORMATS, "quantity", FORMATS["quantity"] + 1)
    assert kinds(changed(before, of())) == {"quantity", "composite"}


def test_another_table_of_systems_concerns_what_is_written_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of()
    monkeypatch.setattr(importlib.import_module("fhir_server.search.rules"), "_table", lambda name: name)
    assert kinds(changed(before, of())) == {"token", "reference", "quantity", "uri", "composite"} & kinds(set(before))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"description": "another", "status": "draft", "name": "Other", "target": ["Patient"]}, True),
        ({"url": "http://example.vn/other"}, True),
        ({"expression": "Observation.bodySite"}, False),
        ({"type": "string", "expression": "Observation.method.text"}, False),
    ],
    ids=["what is said about it", "its URL", "its expression", "its type"],
)
def test_a_rule_follows_what_is_indexed(changes: Json, same: bool) -> None:
    one = of(core().with_search_parameters([custom("way", expression="Observation.method | Observation.code")]))
    changes = {"expression": "Observation.method | Observation.code", **changes}
    other = of(core().with_search_parameters([custom("way", **changes)]))
    assert (one["way"] == other["way"]) is same
    assert changed(of(), one) == {"way"}


def test_what_says_the_same_as_another_parameter_needs_no_entries_of_its_own() -> None:
    definitions = core().with_search_parameters([custom("way")])  # as R4's own `method`
    assert of(definitions) == of()


def test_what_says_the_same_as_one_that_has_no_entries_has_its_own() -> None:
    own = custom("key", base=["Resource"], expression="Resource.id")
    assert "key" in of(core().with_search_parameters([own]))


def test_a_composite_follows_its_parts() -> None:
    part = custom("part")
    pair = {
        "type": "composite",
        "expression": "Observation",
        "component": [
            {"definition": part["url"], "expression": "method"},
            {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"},
        ],
    }
    one = core().with_search_parameters([part, custom("pair", **pair)])
    part = custom("part", type="string", expression="Observation.method.text")
    assert changed(of(one), of(core().with_search_parameters([part, custom("pair", **pair)]))) == {"part", "pair"}


# One of each way to write a value. A digest below that differs says: count FORMATS of that type up, and write it down.
WRITTEN: list[Json] = [
    {
        "resourceType": "Observation",
        "id": "a",
        "meta": {"profile": ["http://example.vn/p|1"], "source": "http://example.vn/s#1"},
        "status": "final",
        "identifier": [{"system": "http://fhir.hl7.org.vn/core/sid/cccd", "value": "A\\b|c"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}, {"code": "h"}], "text": "Chiều cao"},
        "subject": {"reference": "Patient/p1", "identifier": {"value": "1"}},
        "focus": [{"reference": f"{BASE}/Patient/p2"}, {"reference": "https://other.vn/fhir/Patient/p3"}],
        "effectivePeriod": {"start": "2024-03-01T09:12:00+07:00"},
        "valueQuantity": {"value": 160, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
        "component": [{"code": {"coding": [{"code": "x"}]}, "valueQuantity": {"value": 1.5, "unit": "hộp"}}],
    },
    {
        "resourceType": "Observation",
        "id": "b",
        "status": "final",
        "effectiveDateTime": "2024",
        "valueString": "Dương tính",
    },
    {"resourceType": "Patient", "id": "c", "name": [{"family": "Đặng", "given": ["Thị Ngọc"]}], "birthDate": "1990-02"},
    {"resourceType": "RiskAssessment", "id": "d", "prediction": [{"probabilityDecimal": 0.25}]},
    {"resourceType": "Questionnaire", "id": "e", "url": "http://example.vn/Questionnaire/e"},
]
ENTRIES = {
    "composite": "dc8af7978626",
    "date": "e5f994341b0d",
    "number": "5495028b08e5",
    "quantity": "b2c6c3e3acd8",
    "reference": "368fb4776748",
    "string": "5fab68e42c03",
    "token": "46402158c970",
    "uri": "bb40550721d1",
}


def digests() -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for resource in WRITTEN:
        known = CATALOGUE.indexed(resource["resourceType"])
        for entry in INDEXER.index(resource).entries:
            name = entry.partition("|")[0].partition(":")[0]
            found[known[name].type].add(entry)
    return {kind: sha256(orjson.dumps(sorted(each))).hexdigest()[:12] for kind, each in found.items()}


def test_entries_are_written_as_the_database_holds_them() -> None:
    assert digests() == ENTRIES
