"""https://github.com/ehn-dcc-development/eu-dcc-business-rules/blob/main/documentation/specification.md"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from signing import hc1, rules
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.rules import Rulebook
from signing.trust import TrustList
from signing.verify import verify
from tests.signing.conftest import NOW, PAYLOAD

COMPLETE = {">=": [{"var": "payload.v.0.dn"}, {"var": "payload.v.0.sd"}]}
LISTED = {"in": [{"var": "payload.v.0.mp"}, {"var": "external.valueSets.vaccines"}]}
RECENT = {
    "not-after": [
        {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
        {"plusTime": [{"var": "payload.v.0.dt"}, 30, "day"]},
    ]
}


def row(identifier: str, logic: Any, **members: Any) -> dict[str, Any]:
    return {
        "Identifier": identifier,
        "Type": "Acceptance",
        "Country": "VN",
        "Version": "1.0.0",
        "SchemaVersion": "1.0.0",
        "Engine": "CERTLOGIC",
        "EngineVersion": "1.0.0",
        "CertificateType": "Vaccination",
        "Description": [{"lang": "en", "desc": f"about {identifier}"}, {"lang": "vi", "desc": "…"}],
        "ValidFrom": "2026-01-01T00:00:00Z",
        "ValidTo": "2027-01-01T00:00:00Z",
        "AffectedFields": ["v.0"],
        "Logic": logic,
    } | members


def book(*rows: dict[str, Any], country: str | None = "VN") -> Rulebook:
    vaccines = {"valueSetId": "vaccines", "valueSetValues": {"EU/1/20/1528": {}, "EU/1/20/1507": {}}}
    return rules.parse([list(rows), vaccines]).arriving(country)


def stage(rulebook: Rulebook, key: SigningKey, payload: dict[str, Any] = PAYLOAD) -> tuple[bool, bool | None, str, str]:
    found = verify(hc1.issue(payload, key, NOW).text, TrustList([key.signer]), NOW, rulebook=rulebook)
    last = found.stages[-1]
    return found.valid, last.ok, last.code, last.detail


CASES: dict[str, tuple[list[dict[str, Any]], tuple[bool, bool | None, str, str]]] = {
    "met": ([row("A", COMPLETE), row("B", LISTED)], (True, True, "ok", "")),
    "broken": ([row("A", COMPLETE), row("B", RECENT)], (False, False, "rule-failed", "B: about B")),
    "a value that is not true": ([row("A", {"var": "payload.dob"})], (False, False, "rule-failed", "A: about A")),
    "cannot be evaluated": (
        [row("A", {"+": [{"var": "payload.dob"}, 1]})],
        (True, None, "rules-open", "A: `+` adds two integers"),
    ),
    "for another country": ([row("A", RECENT, Country="LA")], (True, None, "no-rules", "")),
    "for tests": ([row("A", RECENT, CertificateType="Test")], (True, None, "no-rules", "")),
    "for all kinds": ([row("A", RECENT, CertificateType="General")], (False, False, "rule-failed", "A: about A")),
    "for a region": ([row("A", RECENT, Region="HN")], (True, None, "no-rules", "")),
    "not yet": ([row("A", RECENT, ValidFrom="2026-12-01T00:00:00Z")], (True, None, "no-rules", "")),
    "no longer": ([row("A", RECENT, ValidTo="2026-11-01T00:00:00Z")], (True, None, "no-rules", "")),
    "a newer version": (
        [row("A", RECENT), row("A", COMPLETE, Version="1.10.0"), row("A", RECENT, Version="1.9.0")],
        (True, True, "ok", ""),
    ),
    "declared invalid by the issuer": (
        [row("A", RECENT, Type="Invalidation")],
        (False, False, "rule-failed", "A: about A"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rules_are_applied(case: str, es256: SigningKey) -> None:
    rows, (valid, ok, code, detail) = CASES[case]
    found = stage(book(*rows), es256)
    assert found[:3] == (valid, ok, code)
    assert detail in found[3]


def test_without_a_country_only_the_issuer_is_heard(es256: SigningKey) -> None:
    assert stage(book(row("A", RECENT), country=None), es256)[2] == "no-rules"
    assert stage(book(row("A", RECENT, Type="Invalidation"), country=None), es256)[2] == "rule-failed"


def test_a_rule_sees_what_the_claims_say(es256: SigningKey) -> None:
    logic = {
        "and": [
            {"===": [{"var": "external.issuerCountryCode"}, "VN"]},
            {"===": [{"var": "external.countryCode"}, "VN"]},
            {"before": [{"var": "external.iat"}, {"var": "external.exp"}]},
        ]
    }
    assert stage(book(row("A", logic)), es256)[:3] == (True, True, "ok")


@pytest.mark.parametrize(
    "members",
    [
        {"Logic": {"or": [1, 2]}},
        {"Engine": "OTHER"},
        {"EngineVersion": "2.0.0"},
        {"ValidFrom": "2026-01-01"},
        {"ValidFrom": None},
        {"Version": "new"},
        {"Description": 5},
    ],
    ids=str,
)
def test_rules_that_cannot_be_used_are_refused_when_they_are_read(members: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        book(row("A", COMPLETE, **members))


@pytest.mark.parametrize("content", ["", "5", '{"a":1}', "[[5]]"])
def test_files_that_hold_no_rules_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(content)
    with pytest.raises(Refused):
        rules.load(tmp_path)


def test_a_folder_of_rules_and_value_sets_is_read(tmp_path: Path, es256: SigningKey) -> None:
    (tmp_path / "VN").mkdir()
    (tmp_path / "VN" / "a.json").write_text(json.dumps(row("A", LISTED)))
    (tmp_path / "sets.json").write_text(json.dumps({"valueSetId": "vaccines", "valueSetValues": {"EU/1/20/1528": {}}}))
    assert stage(rules.load(tmp_path).arriving("vn"), es256)[:3] == (True, True, "ok")


def test_a_certificate_that_is_not_valid_is_not_made_so_by_rules(es256: SigningKey) -> None:
    text = hc1.issue(PAYLOAD, es256, NOW).text
    later = NOW + timedelta(days=400)
    rulebook = book(row("A", COMPLETE, ValidTo="2030-01-01T00:00:00Z"))
    found = verify(text, TrustList([es256.signer]), later, rulebook=rulebook)
    assert (found.valid, found.stages[-1].ok) == (False, True)
