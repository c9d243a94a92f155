"""https://hl7.org/fhir/R4/datatypes.html#Address"""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology import places
from terminology.ethnicity import ETHNIC_GROUPS
from terminology.places import LEGACY_PROVINCES, PLACE_PREFIXES, PROVINCES, WARDS


def test_the_country_has_34_provinces_and_3321_wards() -> None:
    assert (len(PROVINCES), len(WARDS)) == (34, 3321)
    assert [sum(ward.name.startswith(kind) for ward in WARDS.values()) for kind in ("Xã", "Phường", "Đặc khu")] == [
        2621,
        687,
        13,
    ]


def test_every_ward_lies_in_one_province() -> None:
    assert sum(len(places.wards_of(code)) for code in PROVINCES) == len(WARDS)
    assert all(ward.province == code for code in PROVINCES for ward in places.wards_of(code))


def test_an_unknown_province_has_no_wards() -> None:
    with pytest.raises(KeyError):
        places.wards_of("02")


@given(st.sampled_from(list(PLACE_PREFIXES)))
def test_a_place_prefix_names_an_old_province_that_is_part_of_a_new_one(prefix: str) -> None:
    assert PLACE_PREFIXES[prefix] is LEGACY_PROVINCES[prefix.removeprefix("0")]
    assert PLACE_PREFIXES[prefix].successor in PROVINCES


@pytest.mark.parametrize(
    ("place", "day", "name", "kind"),
    [
        (PROVINCES["75"], date(2026, 4, 29), "Tỉnh Đồng Nai", "Tỉnh"),
        (PROVINCES["75"], date(2026, 4, 30), "Thành phố Đồng Nai", "Thành phố"),
        (WARDS["26368"], date(2026, 4, 29), "Xã Long Thành", "Xã"),
        (WARDS["26368"], date(2026, 4, 30), "Phường Long Thành", "Phường"),
        (WARDS["00004"], date(2026, 11, 1), "Phường Ba Đình", "Phường"),
    ],
    ids=["province before", "province after", "ward before", "ward after", "unchanged"],
)
def test_a_place_has_the_name_in_force_on_the_day(place: places.Place, day: date, name: str, kind: str) -> None:
    assert (place.name_on(day), place.kind_on(day)) == (name, kind)


@given(st.sampled_from(list(WARDS.values())), st.dates(places.REFORM, date(2030, 1, 1)))
def test_a_name_changes_at_most_once_and_only_from_its_day_on(ward: places.Place, day: date) -> None:
    if ward.name_on(day) != ward.name:
        assert ward.name_on(day + timedelta(days=1)) == ward.name_on(day)
        assert ward.name_on(places.REFORM) == ward.name


def test_there_are_54_ethnic_groups_and_two_codes_for_the_others() -> None:
    assert sorted(ETHNIC_GROUPS) == [f"{number:02}" for number in range(1, 56)] + ["99"]
    assert ETHNIC_GROUPS["01"].name == "Kinh"
