"""A table of codes becomes resources, and every bad line is told.

https://hl7.org/fhir/R4/conceptmap.html
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions import core
from fhir_server.validation import Validator
from terminology import concepts, systems, tabular

HEADER = "code,display,target_system,target_code,target_display,equivalence,comment"
CVX = "http://hl7.org/fhir/sid/cvx"
URL = "http://example.org/catalogue"


def test_a_good_table_becomes_a_code_system_and_a_map() -> None:
    rows = f"V01,BCG,{CVX},19,BCG,equivalent,\nV02,DTP,{CVX},01,,narrower,whole cell\n\nV03,Old,{CVX},,,unmatched,\n"
    text = f"{HEADER}\n{rows}"
    found = tabular.read(text)
    assert found.problems == []
    system = tabular.code_system(found, URL, "2026", "Catalogue")
    made = tabular.concept_map(found, f"{URL}-map", "2026", "CatalogueMap", URL)
    assert [row["code"] for row in system["concept"]] == ["V01", "V02", "V03"]
    [group] = made["group"]
    assert (group["source"], group["target"]) == (URL, CVX)
    assert group["element"][1] == {
        "code": "V02",
        "display": "DTP",
        "target": [{"code": "01", "equivalence": "narrower", "comment": "whole cell"}],
    }
    validator = Validator(core())
    for resource in (system, made):
        assert [issue for issue in validator.validate(resource).issues if issue.severity == "error"] == []


@pytest.mark.parametrize(("separator", "mark"), [(",", ""), (";", ""), ("\t", "\ufeff")])
def test_separators_and_marks_of_spreadsheets_are_understood(separator: str, mark: str) -> None:
    found = tabular.read(f"{mark}Code{separator}Display\r\nV01{separator}Vắc xin lao\r\n")
    assert (found.displays, found.problems) == ({"V01": "Vắc xin lao"}, [])


BAD: list[tuple[str, str, int, str]] = [
    ("no code", ",BCG,,,,,", 2, "no code"),
    ("column missing", "V01,BCG", 2, "2 columns instead of 7"),
    ("no uri", "V01,BCG,cvx,19,,equivalent,", 2, "no URI"),
    ("target without system", "V01,BCG,,19,,equivalent,", 2, "without target_system"),
    ("unknown equivalence", f"V01,BCG,{CVX},19,,same,", 2, "'same'"),
    ("no equivalence", f"V01,BCG,{CVX},19,,,", 2, "needs an equivalence"),
    ("no target", f"V01,BCG,{CVX},,,equivalent,", 2, "needs a target_code"),
    ("no comment", f"V01,BCG,{CVX},19,,narrower,", 2, "cmd-1"),
    ("two names", f"V01,BCG,,,,,\nV01,Lao,{CVX},19,,equal,", 3, "is called 'BCG'"),
    ("same target", f"V01,BCG,{CVX},19,,equal,\nV01,BCG,{CVX},19,,equal,", 3, "target already"),
    ("twice", "V01,BCG,,,,,\nV01,BCG,,,,,", 3, "twice"),
    ("quote not closed", 'V01,"BCG', 2, "not CSV"),
]


@pytest.mark.parametrize(("lines", "line", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_line_is_told_and_left_out(lines: str, line: int, says: str) -> None:
    [problem] = tabular.read(f"{HEADER}\n{lines}\n").problems
    assert problem.line == line
    assert says in problem.en
    assert problem.vi


@pytest.mark.parametrize("text", ["", "name,display\n", "code,code\n", "V01,BCG\n"])
def test_a_file_without_its_first_line_is_refused(text: str) -> None:
    assert [problem.line for problem in tabular.read(text).problems] == [1]


@given(st.text())
def test_any_text_is_read_or_told_about(text: str) -> None:
    found = tabular.read(f"{HEADER}\n{text}")
    assert isinstance(found.problems, list)


def _codes(names: list[int]) -> dict[str, Any]:
    """Return a code system in which each number is below its half."""
    rows: dict[int, dict[str, Any]] = {name: {"code": str(name)} for name in names}
    top: list[dict[str, Any]] = []
    for name in names:
        parent = rows.get(name // 2) if name > 1 else None
        (top if parent is None else parent.setdefault("concept", [])).append(rows[name])
    return {"resourceType": "CodeSystem", "id": "x", "url": URL, "content": "complete", "concept": top}


@given(st.integers(1, 40), st.integers(1, 12))
def test_parts_together_are_the_whole(count: int, most: int) -> None:
    whole = _codes(list(range(1, count + 1)))
    parts = list(tabular.parts(whole, most))
    assert len({part["id"] for part in parts}) == len(parts)
    together, before = systems.read(parts), concepts.concepts([whole])
    assert together.head.complete
    assert {code: each.ancestors for code, each in together.concepts.items()} == {
        each.code: each.ancestors for each in before
    }
    if len(parts) > 1:
        assert not systems.read(parts[1:]).head.complete
