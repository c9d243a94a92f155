"""Administrative units with their history: which became which, and what nobody can know.

QĐ 19/2025/QĐ-TTg · NQ 202/2025/QH15 · https://hl7.org/fhir/R4/conceptmap.html
"""

from collections import Counter, defaultdict
from typing import Any

import pytest

import profiles

RESOURCES = {
    resource["id"]: resource
    for resource in profiles.resources()
    if resource["resourceType"] in ("CodeSystem", "ConceptMap")
}


def concepts(id: str) -> dict[str, dict[str, Any]]:
    """Return the concepts of a code system by code: display, and the value of each property."""
    return {
        row["code"]: {"display": row["display"]}
        | {part["code"]: next(v for k, v in part.items() if k != "code") for part in row.get("property", ())}
        for row in RESOURCES[id]["concept"]
    }


PROVINCES, COMMUNES = concepts("vn-province-cs"), concepts("vn-ward-cs")
OLD_PROVINCES, OLD_DISTRICTS, OLD_COMMUNES = (
    concepts(f"{kind}-until-2025") for kind in ("province", "district", "commune")
)
BECAME = {row["code"]: row["target"] for row in RESOURCES["commune-since-2025"]["group"][0]["element"]}


def test_units_are_in_force_until_the_reform_or_since() -> None:
    for old in (OLD_PROVINCES, OLD_DISTRICTS, OLD_COMMUNES):
        assert {unit["validTo"] for unit in old.values()} == {"2025-06-30"}
    for new in (PROVINCES, COMMUNES):
        assert {unit["validFrom"] for unit in new.values()} == {"2025-07-01"}
        assert not any("validTo" in unit for unit in new.values())


def test_every_unit_lies_in_one_above_it() -> None:
    assert {unit["province"] for unit in COMMUNES.values()} == PROVINCES.keys()
    assert {unit["province"] for unit in OLD_DISTRICTS.values()} == OLD_PROVINCES.keys()
    # Five districts were islands without communes.
    assert len(OLD_DISTRICTS.keys() - {unit["district"] for unit in OLD_COMMUNES.values()}) == 5
    assert {unit["district"] for unit in OLD_COMMUNES.values()} <= OLD_DISTRICTS.keys()


def test_the_codes_of_provinces_were_used_again_with_another_meaning() -> None:
    assert (OLD_PROVINCES["15"]["display"], PROVINCES["15"]["display"]) == ("Tỉnh Yên Bái", "Tỉnh Lào Cai")


def test_a_unit_that_was_renamed_has_its_present_name_and_keeps_the_former_one() -> None:
    [dong_nai] = (row for row in RESOURCES["vn-province-cs"]["concept"] if row["code"] == "75")
    assert dong_nai["display"] == "Thành phố Đồng Nai"
    assert dong_nai["designation"] == [{"language": "vi", "value": "Tỉnh Đồng Nai"}]
    assert PROVINCES["75"]["renamed"] == "2026-04-30"
    assert sum("renamed" in unit for unit in COMMUNES.values()) == 10


def test_every_province_became_one_and_eleven_stayed() -> None:
    rows = RESOURCES["province-since-2025"]["group"][0]["element"]
    assert {row["code"] for row in rows} == OLD_PROVINCES.keys()
    assert {row["target"][0]["code"] for row in rows} == PROVINCES.keys()
    assert Counter(target["equivalence"] for row in rows for target in row["target"]) == {"wider": 52, "equivalent": 11}


def test_every_old_commune_has_targets_in_force() -> None:
    assert BECAME.keys() == OLD_COMMUNES.keys()
    assert all(target["code"] in COMMUNES for targets in BECAME.values() for target in targets)


def test_a_commune_that_was_split_has_several_targets_and_none_is_the_right_one() -> None:
    several = {code: targets for code, targets in BECAME.items() if len(targets) > 1}
    assert len(several) == 473
    for targets in several.values():
        assert not {target["equivalence"] for target in targets} & {"equivalent", "equal", "wider"}
        assert [target["code"] for target in targets] == sorted(target["code"] for target in targets)


def test_a_commune_that_stayed_whole_has_one_target() -> None:
    whole = [targets[0]["equivalence"] for targets in BECAME.values() if len(targets) == 1]
    assert set(whole) <= {"equivalent", "wider", "relatedto"}


def test_only_the_same_unit_is_equivalent() -> None:
    made_of = defaultdict(set)
    for old, targets in BECAME.items():
        for target in targets:
            made_of[target["code"]].add(old)
    for old, targets in BECAME.items():
        if targets[0]["equivalence"] == "equivalent":
            assert made_of[targets[0]["code"]] == {old}


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ("00001", [("00097", "wider")]),
        ("00019", [("00004", "inexact"), ("00070", "inexact"), ("00190", "inexact"), ("00226", "inexact")]),
        ("00556", [("00541", "inexact"), ("00562", "relatedto")]),
        ("06970", [("06978", "wider")]),
    ],
    ids=["merged", "split in four", "the sources disagree", "written with two codes"],
)
def test_what_a_commune_became(old: str, expected: list[tuple[str, str]]) -> None:
    assert [(target["code"], target["equivalence"]) for target in BECAME[old]] == expected
