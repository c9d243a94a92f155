"""https://hl7.org/fhir/R4/terminologies.html"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from terminology.tables import Table, read

ROOT = Path(__file__).parents[2]
DATA = ROOT / "terminology/data"
SHARED = ROOT / "../shared"


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_a_table_says_where_it_comes_from_and_how_sure_it_is(path: Path) -> None:
    table = read(path.stem)
    assert all(table[key] for key in ("source", "licence", "version", "certainty", "rows"))


def test_the_tables_are_small_enough_to_install() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 2_000_000


def test_a_table_is_read_when_first_asked_and_only_once() -> None:
    loads: list[int] = []

    def load() -> dict[str, int]:
        loads.append(1)
        return {"a": 1, "b": 2}

    table = Table(load)
    assert loads == []
    assert (table["a"], list(table), len(table), "c" in table) == (1, ["a", "b"], 2, False)
    assert loads == [1]


@pytest.mark.skipif(not (SHARED / "domain").exists(), reason="the collected facts are not at hand")
def test_the_tables_are_what_the_script_makes_of_the_collected_facts(tmp_path: Path) -> None:
    copy = tmp_path / "scripts/build_terminology.py"
    copy.parent.mkdir()
    (tmp_path / "terminology").mkdir()
    copy.write_text((ROOT / "scripts/build_terminology.py").read_text("utf-8"), "utf-8")
    subprocess.run([sys.executable, copy, SHARED], check=True, capture_output=True)
    built = {path.name: path.read_text("utf-8") for path in (tmp_path / "terminology/data").iterdir()}
    assert built == {path.name: path.read_text("utf-8") for path in DATA.iterdir()}
    assert all(json.loads(text)["rows"] for text in built.values())
