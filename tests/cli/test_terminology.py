"""`fhir-server terminology`: tables and large code systems made ready for `load`.

https://hl7.org/fhir/R4/conceptmap.html
"""

import json
from pathlib import Path

import pytest

from tests.cli.commands import called

TABLE = "code,display,target_system,target_code,equivalence\nV01,BCG,http://hl7.org/fhir/sid/cvx,19,equivalent\n"
OPTIONS = ("--system", "http://example.org/catalogue", "--url", "http://example.org/map", "--version", "2026")


def test_a_table_becomes_a_transaction(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    result = called("terminology", "import-map", "table.csv", *OPTIONS, cwd=tmp_path)
    assert (result.status, "1 codes, 1 targets" in result.err) == (0, True)
    bundle = json.loads((tmp_path / "catalogue.json").read_bytes())
    assert [entry["request"]["url"] for entry in bundle["entry"]] == ["CodeSystem/catalogue", "ConceptMap/map"]


def test_bad_lines_are_told_and_nothing_is_written_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE + "V02,DTP,http://hl7.org/fhir/sid/cvx,01,same\n,x,,,\n")
    result = called("terminology", "import-map", "table.csv", *OPTIONS, cwd=tmp_path)
    assert (result.status, (tmp_path / "catalogue.json").exists()) == (1, False)
    assert "line 3:" in result.err
    assert "line 4:" in result.err
    result = called("terminology", "import-map", "table.csv", *OPTIONS, "--partial", cwd=tmp_path)
    assert (result.status, (tmp_path / "catalogue.json").exists()) == (1, True)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["no file", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "table.csv").write_bytes(content)
    assert called("terminology", "import-map", "table.csv", *OPTIONS, cwd=tmp_path).status == 2


def test_a_large_code_system_is_split(tmp_path: Path) -> None:
    concepts = [{"code": "a", "concept": [{"code": "b"}, {"code": "c"}]}]
    resource = {"resourceType": "CodeSystem", "id": "x", "url": "http://example.org/x", "content": "complete"}
    (tmp_path / "x.json").write_text(json.dumps({**resource, "concept": concepts}))
    result = called("terminology", "split", "x.json", "--into", "parts", "--most", "2", cwd=tmp_path)
    assert result.status == 0
    parts = [json.loads(path.read_bytes()) for path in sorted((tmp_path / "parts").iterdir())]
    assert [[row["code"] for row in part["concept"]] for part in parts] == [["a", "b"], ["c"]]
    assert {(part["content"], part["count"]) for part in parts} == {("fragment", 3)}


COMPLETE = '{"resourceType":"CodeSystem","url":"http://example.org/x","content":"complete","concept":[{"code":"a"}]}'


@pytest.mark.parametrize(
    "content",
    [
        '{"resourceType":"Patient"}',
        COMPLETE.replace("url", "uri"),
        COMPLETE.replace('[{"code":"a"}]', '"a"'),
        COMPLETE.replace('{"code":"a"}', "1"),
        COMPLETE.replace('{"code":"a"}', '{"concept":[{"code":"b"}]}'),
    ],
    ids=["another type", "no URL", "concepts that are none", "a concept that is none", "a parent without a code"],
)
def test_what_is_no_code_system_is_not_split(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    result = called("terminology", "split", "x.json", "--into", "parts", cwd=tmp_path)
    assert (result.status, "x.json is" in result.err, (tmp_path / "parts").exists()) == (2, True, False)


@pytest.mark.parametrize(
    "words",
    [
        ("import-map", "table.csv", *OPTIONS, "--output", "nowhere/catalogue.json"),
        ("import-map", "table.csv", *OPTIONS, "--output", "."),
        ("split", "x.json", "--into", "table.csv"),
    ],
    ids=["no folder", "a folder", "a file"],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "x.json").write_text(COMPLETE)
    result = called("terminology", *words, cwd=tmp_path)
    assert (result.status, "cannot be written" in result.err) == (2, True)
