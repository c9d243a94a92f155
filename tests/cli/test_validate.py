"""`fhir-server validate` and `demo-data`: files checked without a server, files invented.

https://hl7.org/fhir/R4/validation.html
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import called
from tests.http.serving import PATIENT, bundle, dose, entry

VN_PATIENT = "https://fhir.tiemchung.vn/StructureDefinition/vn-imm-patient"

GOOD = json.dumps(PATIENT)
BAD = json.dumps({**PATIENT, "gender": "M", "x": 1})

# Name and content of a file; status, what is printed, how many resources, with errors, unreadable.
FILES: dict[str, tuple[str, str | bytes, int, list[str], tuple[int, int, int]]] = {
    "good": ("a.json", GOOD, 0, [], (1, 0, 0)),
    "bad": ("a.json", BAD, 1, ["a.json: error: Patient.gender", "a.json: error: Patient.x"], (1, 1, 0)),
    "lines": ("a.ndjson", f"{GOOD}\n\n{BAD}\n", 1, ["a.ndjson:3: error: Patient.gender"], (2, 1, 0)),
    "compressed": ("a.ndjson.gz", gzip.compress(f"{BAD}\n{GOOD}\n".encode()), 1, ["a.ndjson.gz:1"], (2, 1, 0)),
    "a bundle": (
        "a.json",
        json.dumps(bundle("transaction", entry("POST", "Patient", {**PATIENT, "gender": "M"}))),
        1,
        ["Bundle.entry[0].resource.gender"],
        (1, 1, 0),
    ),
    "a national profile": (
        "a.json",
        json.dumps({**PATIENT, "meta": {"profile": [VN_PATIENT]}, "identifier": []}),
        1,
        ["Patient.identifier"],
        (1, 1, 0),
    ),
    "no resource": ("a.json", '{"a": 1}', 1, ["a.json: error"], (1, 1, 0)),
    "not JSON": ("a.json", '{"resourceType": "Patient"', 2, ["a.json: error: -: The body is not JSON"], (0, 0, 1)),
    "a line not JSON": ("a.ndjson", f"{GOOD}\n{{\n", 2, ["a.ndjson:2: error"], (1, 0, 1)),
    "not UTF-8": ("a.json", b"\xff\xfe", 2, ["cannot be read"], (0, 0, 1)),
    "not gzip": ("a.json.gz", b"\x1f\x8bgarbage", 2, ["cannot be read"], (0, 0, 1)),
    "gzip cut short": ("a.json.gz", gzip.compress(GOOD.encode())[:-12], 2, ["cannot be read"], (0, 0, 1)),
    "nested too deep": ("a.json", '{"a":' * 5000 + "1" + "}" * 5000, 2, ["deep"], (0, 0, 1)),
    "empty": ("a.json", "", 2, ["not JSON"], (0, 0, 1)),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_is_judged_by_a_status_and_lines_with_places(tmp_path: Path, case: str) -> None:
    name, content, status, said, counts = FILES[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    result = called("validate", name, cwd=tmp_path)
    assert result.status == status, result
    for text in said:
        assert text in result.out
    checked, wrong, unreadable = counts
    assert f"{checked} resources checked, {wrong} with errors, {unreadable} unreadable" in result.err
    assert (result.out == "") == (status == 0)


def test_a_folder_is_judged_by_its_worst_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.json").write_text(GOOD)
    (tmp_path / "deep" / "b.ndjson").write_text(f"{BAD}\n")
    (tmp_path / "notes.txt").write_text("not data")
    assert called("validate", ".", cwd=tmp_path).status == 1
    (tmp_path / "c.json").write_text("{")
    assert called("validate", ".", cwd=tmp_path).status == 2


def test_a_file_that_does_not_exist_is_no_valid_file(tmp_path: Path) -> None:
    result = called("validate", "nowhere.json", cwd=tmp_path)
    assert (result.status, "nowhere.json" in result.err) == (2, True)


def test_a_package_of_the_settings_is_applied(tmp_path: Path) -> None:
    profile: dict[str, Any] = {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/StructureDefinition/with-birth-date",
        "name": "WithBirthDate",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Patient", "path": "Patient"},
                {"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1},
            ]
        },
    }
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "package.json").write_text('{"name": "example", "version": "1.0.0"}')
    (tmp_path / "package" / "StructureDefinition-with.json").write_text(json.dumps(profile))
    patient = {"resourceType": "Patient", "meta": {"profile": [profile["url"]]}, "gender": "male"}
    (tmp_path / "a.json").write_text(json.dumps(patient))
    result = called("validate", "a.json", cwd=tmp_path, FHIR_PACKAGES='["package"]')
    assert (result.status, "Patient.birthDate" in result.out) == (1, True), result
    assert called("validate", "a.json", cwd=tmp_path, FHIR_PACKAGES='["nowhere"]').status == 2


def test_invented_people_are_valid_and_the_same_seed_invents_the_same(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    for folder, seed in ((first, "7"), (second, "7"), (third, "8")):
        result = called("demo-data", "--people", "3", "--seed", seed, "--out", folder, cwd=tmp_path)
        assert result.status == 0, result
        assert "demo.ndjson" in result.err
    text = (first / "demo.ndjson").read_text()
    assert text == (second / "demo.ndjson").read_text() != (third / "demo.ndjson").read_text()
    rows = [row["resource"] for line in text.splitlines() for row in json.loads(line)["entry"]]
    assert sum(row["resourceType"] == "Patient" for row in rows) == 3
    (tmp_path / "last.ndjson").write_text("\n".join(text.splitlines()[-3:]))
    result = called("validate", "last.ndjson", cwd=tmp_path)
    assert result.status == 0, result.out[:2000]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "o", "--today", "31/12/2025"), "2026-11-01"),
        (("--out", "file/o"), "file"),
        (("--out", "o", "--people", "0"), "people"),
        ((), "--out"),
        (("--out", "o", "--today", "0001-01-01"), "from 1950 to 2100"),
        (("--out", "o", "--today", "9999-12-31"), "from 1950 to 2100"),
    ],
    ids=str,
)
def test_people_that_cannot_be_invented_are_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "file").write_text("")
    result = called("demo-data", *words, cwd=tmp_path)
    assert (result.status, said in result.err) == (2, True), result


@pytest.mark.parametrize("today", ["1950-01-01", "2100-12-31"])
def test_people_are_invented_at_both_ends_of_the_time_for_it(tmp_path: Path, today: str) -> None:
    assert called("demo-data", "--out", "o", "--people", "20", "--today", today, cwd=tmp_path).status == 0


def test_a_dose_that_refers_to_nobody_is_valid_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(dose("Patient/nobody")))
    assert called("validate", "a.json", cwd=tmp_path).status == 0


def test_profiles_are_chosen_and_the_rules_counted(tmp_path: Path) -> None:
    nameless = json.dumps({"resourceType": "Patient", "gender": "male"})
    (tmp_path / "a.ndjson").write_text(f"{nameless}\n{nameless}\n")
    assert called("validate", "a.ndjson", cwd=tmp_path).status == 0
    for words in (("--profile", VN_PATIENT), ("--programme",)):
        told = called("validate", "a.ndjson", *words, "--quiet", cwd=tmp_path)
        assert (told.status, told.out) == (1, "")
        rows = [line.split() for line in told.err.splitlines()]
        assert any("Patient.name:min" in row and "2" in row and "error" in row for row in rows)


def test_a_profile_that_nobody_defines_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(GOOD)
    told = called("validate", "a.json", "--profile", "http://nobody.knows", cwd=tmp_path)
    assert told.status == 2
    assert "http://nobody.knows" in told.err
