"""docs/architecture.md, the import contracts of pyproject.toml and the folders say the same."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
LAYERS = CONTRACTS["The rooms and the one direction of imports"]["layers"]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
LIBRARIES = {"profiles", "terminology", "signing", "examples"}
PARTS = ["Context", "Decision", "Alternatives", "Consequences"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def table(heading: str) -> list[str]:
    """The names in the first column of the first table after `heading`."""
    rows = PAGE.split(heading)[1].partition("\n\n|")[2].partition("\n\n")[0].splitlines()
    return [found[1] for row in rows if (found := re.match(r"\|? ?`(\w+)` \|", row))]


def rooms(layer: str) -> list[str]:
    return [room.strip() for room in layer.split("|")]


def modules(package: Path) -> set[str]:
    found = {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    return found | {path.parent.name for path in package.glob("*/__init__.py")}


def test_the_page_names_every_room_from_the_top_and_no_other() -> None:
    assert table("Inside `fhir_server/`, from the top") == [room for layer in LAYERS for room in rooms(layer)]


def test_the_rooms_are_the_modules_of_the_server() -> None:
    assert modules(ROOT / "fhir_server") == {room for layer in LAYERS for room in rooms(layer)}


def test_the_page_names_every_library_and_no_other() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {"fhir_server", *table("Beside it, libraries")} == set(packages)
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == set(packages)
    assert set(PROJECT["tool"]["mypy"]["packages"]) == set(packages)


def test_the_diagram_draws_every_room_and_library() -> None:
    drawn = set(re.findall(r"\w+", PAGE.partition("flowchart TD")[2].partition("```")[0]))
    assert {room for layer in LAYERS for room in rooms(layer)} <= drawn
    assert set(table("Beside it, libraries")) <= drawn


def test_the_rooms_are_layers_without_exception() -> None:
    contract = CONTRACTS["The rooms and the one direction of imports"]
    assert contract["exhaustive"] is True
    assert "ignore_imports" not in contract
    assert "exhaustive_ignores" not in contract


@pytest.mark.parametrize(
    ("contract", "door"),
    [("Only the store knows MongoDB", {"store"}), ("Only web knows the web framework", {"web", "cli"})],
)
def test_a_wall_has_no_hole_but_its_door(contract: str, door: set[str]) -> None:
    behind = {name.removeprefix("fhir_server.") for name in CONTRACTS[contract]["source_modules"]}
    everything = {room for layer in LAYERS for room in rooms(layer)} | LIBRARIES
    assert everything - behind <= door | {"outcome", "settings"}


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(r"`([\w/]+/[\w.]+\.(?:py|toml|md|js))`", PAGE)
    assert named
    assert [name for name in named if not (ROOT / name).exists() and not (ROOT / "fhir_server" / name).exists()] == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts_and_its_line_in_the_list(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == PARTS
    number, title = text.partition("\n")[0].removeprefix("# ").split(" ", 1)
    assert path.name.startswith(f"{number}-")
    assert f"| [{number}]({path.name}) | {title} |" in (path.parent / "README.md").read_text()


@pytest.mark.parametrize("path", [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")], ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
