"""docs/national.md says what the packages hold."""

import re
from pathlib import Path

import pytest

import profiles
from tests.profiles.test_package import RULES
from tests.profiles.test_pairs import REGULATION

PAGE = (Path(__file__).parents[2] / "docs" / "national.md").read_text("utf-8")
CODES = PAGE.partition("## Codes")[2].partition("| ConceptMap")[0]
DEFAULT = [resource for resource in profiles.resources() if resource["resourceType"] in ("CodeSystem", "ConceptMap")]


def test_every_rule_is_on_the_page_as_it_is() -> None:
    rows = set()
    for _, constraint in RULES:
        regulation = REGULATION.search(constraint["requirements"])
        assert regulation is not None
        problem = constraint["human"].partition(": ")[0]
        rows.add(f"| `{constraint['key']}` | {constraint['severity']} | {problem} | {regulation[0].strip()} |")
    assert rows == {line for line in PAGE.splitlines() if re.match(r"\| `vn-[a-z0-9-]+` \| (error|warning) \|", line)}


@pytest.mark.parametrize("name", [*profiles.DEFAULT, *profiles.OPTIONAL])
def test_every_set_is_on_the_page_with_its_canonical(name: str) -> None:
    [row] = (line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"`{profiles.manifest(name)['canonical']}`" in row


def test_every_profile_of_the_programme_is_on_the_page() -> None:
    for resource in profiles.resources("programme"):
        if resource["resourceType"] == "StructureDefinition" and resource["type"] != "Extension":
            assert f"`{resource['id']}`" in PAGE


@pytest.mark.parametrize(
    "resource", [map for map in DEFAULT if map["resourceType"] == "ConceptMap"], ids=lambda map: map["id"]
)
def test_every_map_is_on_the_page(resource: dict[str, object]) -> None:
    assert f"`{resource['id']}`" in PAGE


@pytest.mark.parametrize(
    ("ids", "counts"),
    re.findall(
        r"^\| (`[^|]+) \| ([0-9][^|]*) \|", PAGE.partition("## Codes")[2].partition("| ConceptMap")[0], re.MULTILINE
    ),
)
def test_the_page_counts_the_codes_right(ids: str, counts: str) -> None:
    told = dict(zip(re.findall(r"`([^`]+)`", ids), re.findall(r"[0-9][0-9,]*", counts), strict=False))
    sizes = {resource["id"]: len(resource["concept"]) for resource in DEFAULT if "concept" in resource}
    for id, count in told.items():
        if id in sizes and id != "vn-ward-cs":
            assert sizes[id] == int(count.replace(",", "")), id
