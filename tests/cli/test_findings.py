"""How many resources break each rule, told without what the records say.

https://hl7.org/fhir/R4/operationoutcome.html
"""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fhir_server.cli import findings, withheld
from fhir_server.cli.findings import MAX_RULES, Findings, Key, Place
from fhir_server.definitions import Definitions, core_facts
from fhir_server.outcome import Issue, outcome
from fhir_server.validation import Validator
from tests.cli.commands import called
from tests.http.serving import PATIENT, bundle, entry

Json = dict[str, Any]

HERE = Place("a.ndjson", 3)


def issue(**changes: Any) -> Issue:
    """Return an error in a gender."""
    said = Issue(
        "error", "code-invalid", "'x' is no gender", "'x' không hợp lệ", "Patient.gender", "Patient.gender:format"
    )
    return said._replace(**changes)


def counted(found: Findings) -> dict[Key, int]:
    return {key: row.resources for key, row in found.sorted()}


def test_a_rule_counts_a_resource_once_however_often_it_breaks_it() -> None:
    found = Findings()
    found.add(HERE, PATIENT, [issue(), issue(expression="Patient.contact[0].gender"), issue(severity="warning")])
    found.add(HERE, PATIENT, [issue()])
    error = Key("error", "Patient.gender:format", "Patient")
    assert counted(found) == {error: 2, error._replace(severity="warning"): 1}


def test_the_worst_comes_first_and_of_these_what_most_resources_break() -> None:
    found = Findings()
    for rule, severity, times in (("a", "warning", 9), ("b", "error", 1), ("c", "error", 2), ("d", "information", 30)):
        for _ in range(times):
            found.add(HERE, PATIENT, [issue(rule=rule, severity=severity)])
    assert [key.rule for key, _ in found.sorted()] == ["c", "b", "a", "d"]


def test_the_entries_of_a_bundle_are_resources_of_their_own() -> None:
    whole = bundle(
        "transaction", entry("POST", "Patient", PATIENT), entry("POST", "Observation", {"resourceType": "Observation"})
    )
    found = Findings()
    places = ("Bundle.entry[0].resource.gender", "Bundle.entry[1].resource", "Bundle.entry[0].resource.name", "Bundle")
    found.add(HERE, whole, [issue(rule="r", expression=place) for place in places])
    assert counted(found) == {Key("error", "r", type): 1 for type in ("Patient", "Observation", "Bundle")}
    assert found.rows[Key("error", "r", "Patient")].expression == "Bundle.entry[0].resource.gender"


def test_what_is_kept_does_not_grow_with_hostile_files() -> None:
    found = Findings()
    for number in range(MAX_RULES + 5):
        found.add(HERE, {"resourceType": f"{number}"}, [issue(rule=f"r{number}")])
    assert (len(found.rows), found.beyond) == (MAX_RULES, 5)
    assert {key.type for key in found.rows} == {"-"}


PRIVATE = "Nguyễn Thị Bí Mật"
DIV = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="data:{PRIVATE}">x</a></div>'

# What a record says, and where: nothing of it is in the report.
SECRETS: dict[str, Json] = {
    "a date": {"birthDate": f"12/08/1985 {PRIVATE}"},
    "a code": {"gender": PRIVATE},
    "a long value": {"birthDate": PRIVATE * 10},
    "control characters": {"birthDate": f"{PRIVATE}\n{PRIVATE}"},
    "a value of a choice": {"deceasedDateTime": PRIVATE},
    "a reference": {"generalPractitioner": [{"reference": PRIVATE}]},
    "a reference that leads nowhere": {"generalPractitioner": [{"reference": f"#{PRIVATE}"}]},
    "a display in a concept": {"maritalStatus": {"coding": [{"system": PRIVATE, "code": "M", "display": PRIVATE}]}},
    "an attachment": {"photo": [{"contentType": PRIVATE, "data": PRIVATE}]},
    "a narrative": {"text": {"status": "generated", "div": DIV}},
}  # fmt: skip


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator(Definitions(core_facts()))


@pytest.mark.parametrize("case", SECRETS)
def test_a_report_does_not_say_what_records_say(validator: Validator, case: str) -> None:
    person = {**PATIENT, **SECRETS[case]}
    whole = bundle("collection", {"fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "resource": person})
    for resource in (person, whole):
        issues = validator.validate(resource).issues
        assert issues
        found = Findings()
        found.add(HERE, resource, issues)
        written = json.dumps(found.written(), ensure_ascii=False)
        screen = Console(file=io.StringIO(), width=1000)
        found.print(screen)
        assert isinstance(screen.file, io.StringIO)
        for text in (written, screen.file.getvalue()):
            assert "Bí Mật" not in text
            assert "…" in text


def test_nor_whom_a_record_refers_to() -> None:
    record = {**PATIENT, "link": [{"other": {"reference": "http://here.example/Patient/an-nguyen"}, "type": "seealso"}]}
    texts = "Patient/an-nguyen is not stored here", "Chưa có Patient/an-nguyen: hãy gửi trước"
    found = Findings()
    found.add(HERE, record, [Issue("error", "not-found", *texts, "Patient.link[0].other", "reference-exists")])
    [row] = found.rows.values()
    assert (row.en, row.vi) == ("… is not stored here", "Chưa có …: hãy gửi trước")


# Text, what the record says, whether that is the value itself or near; what is told.
TEXTS = [
    ("'M' is not a code", "M", True, "'…' is not a code"),
    ("A Mother is not M", "M", True, "A Mother is not …"),
    ("A dose (completed) names its lot", "completed", False, "A dose (completed) names its lot"),
    ("'completed' is no date", "completed", True, "'…' is no date"),
    (
        "The fullUrl ends in 0012345, the id is 002",
        "http://x.example/Patient/0012345",
        True,
        "The fullUrl ends in …, the id is 002",
    ),
    ("at least 1, there are 0", "001085012345", False, "at least 1, there are 0"),
    ("An event is at 1", "An", False, "An event is at 1"),
    ("AB-12 is out of range", "AB-12", False, "… is out of range"),
]


@pytest.mark.parametrize(("text", "value", "alone", "told"), TEXTS, ids=[row[0] for row in TEXTS])
def test_values_are_blotted_out_as_whole_words(text: str, value: str, alone: bool, told: str) -> None:
    assert withheld.text(text, [withheld.Value(value, alone)]) == told


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.lists(st.sampled_from(["a", "b[0]", "c[7]", "extension('x')", "[", ""])).map(".".join))
def test_whatever_a_record_is_its_values_can_be_listed(resource: Any, steps: str) -> None:
    assert all(isinstance(value.text, str) for value in withheld.values(resource, steps))


issues = st.builds(
    Issue,
    st.sampled_from(findings.ORDER),
    st.sampled_from(["value", "invariant"]),
    st.text(min_size=1),
    st.text(min_size=1),
    st.none() | st.text(min_size=1),
    st.none() | st.text(min_size=1),
    st.none() | st.text(min_size=1),
)


@given(st.lists(issues))
def test_what_a_server_says_is_read_back_as_it_was_meant(said: list[Issue]) -> None:
    assert findings.issues_of(outcome(said, "en")) == tuple(said)


@pytest.mark.parametrize("said", [None, [], "x", {}, {"issue": None}, {"issue": ["x"]}, {"issue": [{}]}], ids=str)
def test_what_is_no_outcome_has_no_issues(said: Any) -> None:
    assert findings.issues_of(said) == ()


def test_validate_writes_the_same_table(tmp_path: Path) -> None:
    rows = [{**PATIENT, "gender": PRIVATE}, PATIENT, {**PATIENT, "gender": "x"}]
    (tmp_path / "a.ndjson").write_text("\n".join([json.dumps(row) for row in rows] + ["{"]))
    result = called("validate", "a.ndjson", "--quiet", "--report", "report.json", cwd=tmp_path)
    assert result.status == 2
    said = json.loads((tmp_path / "report.json").read_text())
    assert (said["checked"], said["withErrors"], said["unreadable"]) == (3, 2, 1)
    gender, unread = said["rules"]
    assert gender["example"] == {"file": "a.ndjson", "line": 1, "expression": "Patient.gender"}
    assert (gender["rule"], gender["resources"]) == ("Patient.gender:format", 2)
    assert (unread["rule"], unread["type"], unread["example"]["line"]) == ("structure", "-", 4)
    assert "Patient.gender:format  Patient  a.ndjson:1 Patient.gender" in result.err
    assert "Bí Mật" not in result.err


@pytest.mark.parametrize("command", ["validate", "load"])
def test_a_report_that_cannot_be_written_is_noticed_at_once(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(PATIENT))
    result = called(command, "a.json", "--report", "nowhere/report.json", cwd=tmp_path)
    assert (result.status, "report cannot be written" in result.err) == (2, True), result


@pytest.mark.parametrize("command", ["validate", "load"])
def test_a_report_is_not_written_over_data(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(PATIENT))
    result = called(command, "a.json", "--report", "a.json", cwd=tmp_path)
    assert (result.status, "holds FHIR data" in result.err) == (2, True), result
    assert json.loads((tmp_path / "a.json").read_text()) == PATIENT


def test_a_report_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({**PATIENT, "gender": PRIVATE}))
    first = called("validate", ".", "--report", "report.json", cwd=tmp_path)
    written = (tmp_path / "report.json").read_bytes()
    assert called("validate", ".", "--report", "report.json", cwd=tmp_path) == first
    assert (tmp_path / "report.json").read_bytes() == written
