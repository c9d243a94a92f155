"""https://hl7.org/fhir/R4/immunization.html"""

from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from examples import covid, facilities, programme
from examples.chance import Chance
from examples.doses import Subject
from examples.events import after
from examples.generate import bundles
from examples.programme import Child, Event
from terminology.places import PROVINCES
from terminology.schedule import SERIES
from terminology.vaccines import CVX, PRODUCT, VACCINES

TODAY = date(2026, 11, 1)
BY_TITLE = {series.title: series for series in SERIES.values() if series.programme in ("EPI", "service")}
CHILDREN = st.builds(
    Child,
    birth=st.dates(date(2012, 1, 1), date(2029, 12, 31)),
    gender=st.sampled_from(["male", "female"]),
    province=st.sampled_from(list(PROVINCES)),
    private=st.booleans(),
)
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def resources() -> list[Resource]:
    return [entry["resource"] for bundle in bundles(1200, 8, TODAY) for entry in bundle["entry"]]


@pytest.fixture(scope="module")
def doses(resources: list[Resource]) -> list[Resource]:
    return [resource for resource in resources if resource["resourceType"] == "Immunization"]


@given(CHILDREN, st.integers(0, 2**30), st.dates(date(2012, 1, 1), date(2030, 1, 1)))
@example(Child(date(2023, 1, 1), "male", "04", False), 2, date(2024, 1, 1))  # two months can be less than 60 days
@example(Child(date(2023, 1, 1), "male", "79", False), 938, date(2024, 1, 1))  # back for rotavirus when too old
def test_no_dose_is_given_too_young_too_old_or_too_soon_after_the_last(child: Child, number: int, today: date) -> None:
    events, _ = programme.childhood(child, Chance(1, number), today)
    last: dict[str, date] = {}
    for event in sorted(events, key=lambda event: event.day):
        series = BY_TITLE[event.series]
        dose = next(dose for dose in series.doses if dose.number == event.number)
        assert child.birth <= event.day <= today
        if event.reason is not None:
            continue
        assert event.product in {*dose.vaccines, "quinvaxem", "topv"}
        assert dose.minimum_age is None or event.day >= dose.minimum_age.after(child.birth)
        assert dose.maximum_age is None or event.day < dose.maximum_age.after(child.birth)
        if event.series in last and dose.minimum_interval:
            assert event.day >= dose.minimum_interval.after(last[event.series])
        last[event.series] = event.day


@given(CHILDREN, st.integers(0, 2**30), st.dates(date(2012, 1, 1), date(2030, 1, 1)))
def test_a_series_has_no_gap_and_what_comes_next_follows_it(child: Child, number: int, today: date) -> None:
    events, following = programme.childhood(child, Chance(1, number), today)
    given_: dict[str, list[int]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.day):
        if event.reason is None:
            given_[event.series].append(event.number)
    for title, numbers in given_.items():
        first = BY_TITLE[title].doses[0].number
        assert numbers == list(range(first, first + len(numbers)))
    assert len({dose.series for dose in following}) == len(following)
    for dose in following:
        assert dose.number == BY_TITLE[dose.series].doses[0].number + len(given_[dose.series])
        assert child.birth <= dose.earliest <= dose.due < dose.overdue
        assert dose.latest is None or dose.latest >= max(today, dose.due)


@given(st.dates(date(1930, 1, 1), date(2024, 1, 1)), st.integers(0, 2**30), st.dates(date(2020, 1, 1), TODAY))
def test_covid_doses_are_in_order_and_only_for_those_who_were_old_enough(birth: date, number: int, today: date) -> None:
    events = list(covid.doses(birth, Chance(2, number), today))
    assert not events or 2021 - birth.year >= 5
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    days = [event.day for event in events]
    assert all((later - earlier).days >= 14 for earlier, later in pairwise(days))
    assert all(date(2021, 5, 1) <= day <= today for day in days)
    assert all(VACCINES[event.product].dcc for event in events)
    boosters = [event for event in events if event.series == covid.BOOSTER]
    assert all(event.number == event.of for event in boosters)
    assert not boosters or 2021 - birth.year >= 12


@pytest.mark.parametrize(
    ("series", "province", "gender", "birth", "offered"),
    [
        ("pcv", "20", "female", date(2025, 3, 1), True),
        ("pcv", "20", "female", date(2024, 3, 1), False),
        ("pcv", "14", "male", date(2025, 12, 1), True),
        ("pcv", "79", "male", date(2025, 12, 1), False),
        ("rota", "79", "male", date(2023, 3, 1), True),
        ("rota", "01", "male", date(2025, 3, 1), False),
        ("rota", "01", "male", date(2026, 3, 1), True),
        ("hpv-girls", "86", "female", date(2015, 3, 1), True),
        ("hpv-girls", "86", "male", date(2015, 3, 1), False),
        ("hpv-girls", "79", "female", date(2015, 3, 1), False),
    ],
    ids=[
        "pneumococcal in Lạng Sơn from 2025",
        "born before it began",
        "Sơn La from 2026",
        "not in Hồ Chí Minh City",
        "rotavirus in most provinces",
        "not in Hà Nội in 2025",
        "Hà Nội from 2026",
        "HPV for girls of Vĩnh Long",
        "not for boys",
        "not in every province",
    ],
)
def test_a_vaccine_is_offered_where_and_when_it_was_introduced(
    series: str, province: str, gender: str, birth: date, offered: bool
) -> None:
    child = Child(birth, gender, province, private=False)
    seen = set()
    for number in range(40):
        events, following = programme.childhood(child, Chance(1, number), TODAY)
        seen |= {event.series for event in events} | {dose.series for dose in following}
    assert (SERIES[series].title in seen) == offered


def test_a_dose_names_its_product_in_every_code_system_that_knows_it(doses: list[Resource]) -> None:
    for dose in doses:
        codes = {coding["system"]: coding["code"] for coding in dose["vaccineCode"]["coding"]}
        vaccine = VACCINES[codes[PRODUCT]]
        assert codes.get(CVX) == vaccine.cvx
        targets = [disease["coding"][0]["code"] for disease in dose["protocolApplied"][0]["targetDisease"]]
        assert tuple(targets) == vaccine.target_diseases


def test_a_dose_says_what_the_programme_wants_to_know(doses: list[Resource]) -> None:
    assert len(doses) > 8000
    for dose in doses:
        assert dose["extension"][0]["valueCode"] in ("tcmr", "dich-vu", "chien-dich")
        assert dose["occurrenceDateTime"].endswith("+07:00")
        assert dose["recorded"] >= dose["occurrenceDateTime"]
        assert dose["protocolApplied"][0]["doseNumberPositiveInt"] >= 1
        assert (dose["status"] == "not-done") == ("statusReason" in dose)
        assert dose["primarySource"] != ("reportOrigin" in dose)
        assert dose["performer"][-1]["actor"]["reference"].startswith("Organization/")
        if dose["status"] == "completed" and dose["primarySource"]:
            assert dose["lotNumber"]
            assert dose["expirationDate"] > dose["occurrenceDateTime"][:10]
            assert dose["doseQuantity"]["value"] > 0
            assert dose["manufacturer"]["display"]
        else:
            assert dose["status"] == "entered-in-error" or "lotNumber" not in dose


def test_a_vaccine_that_is_drunk_has_no_site(doses: list[Resource]) -> None:
    given_ = [dose for dose in doses if "route" in dose]
    for dose in given_:
        assert (dose["route"]["coding"][0]["code"] == "PO") == ("site" not in dose)


def test_a_lot_expires_on_one_day_everywhere(resources: list[Resource], doses: list[Resource]) -> None:
    expiry = {
        lot["batch"]["lotNumber"]: lot["batch"]["expirationDate"]
        for lot in resources
        if lot["resourceType"] == "Medication"
    }
    recent = [dose for dose in doses if dose.get("lotNumber") in expiry]
    assert len(recent) > 1000
    assert all(dose["expirationDate"] == expiry[dose["lotNumber"]] for dose in recent)


def test_what_was_entered_in_error_is_the_copy_of_a_dose(doses: list[Resource]) -> None:
    wrong = [dose for dose in doses if dose["status"] == "entered-in-error"]
    assert wrong
    right = {dose["id"]: dose for dose in doses if dose["status"] == "completed"}
    for dose in wrong:
        base, number = dose["id"].rsplit("-i", 1)
        original = right[f"{base}-i{int(number) - 1:02}"]
        same = set(original) - {"id", "status"}
        assert {key: dose[key] for key in same} == {key: original[key] for key in same}


def test_an_adverse_event_follows_a_dose_of_the_same_person(resources: list[Resource], doses: list[Resource]) -> None:
    by_id = {f"Immunization/{dose['id']}": dose for dose in doses}
    events = [resource for resource in resources if resource["resourceType"] == "AdverseEvent"]
    assert len(events) > 100
    for event in events:
        dose = by_id[event["suspectEntity"][0]["instance"]["reference"]]
        assert event["subject"] == dose["patient"]
        assert dose["occurrenceDateTime"] <= event["date"] <= event["detected"] <= event["recordedDate"]
        serious = event["seriousness"]["coding"][0]["code"] == "Serious"
        assert serious == (event["severity"]["coding"][0]["code"] == "severe")


def test_nothing_is_known_yet_of_what_a_dose_of_today_does(resources: list[Resource], doses: list[Resource]) -> None:
    network = facilities.network(1, 1)
    subject = Subject("x", {"reference": "Patient/x"}, date(2026, 1, 1), network.stations[0], network)
    dose = next(dose for dose in doses if dose["status"] == "completed")
    days = (TODAY, TODAY - timedelta(days=10))
    found = [
        sum(after(subject, dose, day, 1, Chance(9, number), TODAY) is not None for number in range(400)) for day in days
    ]
    assert found[0] == 0
    assert 0 < found[1] < 40


def test_a_recommendation_gives_its_dates_in_order(resources: list[Resource]) -> None:
    found = [resource for resource in resources if resource["resourceType"] == "ImmunizationRecommendation"]
    assert len(found) > 200
    statuses = set()
    for resource in found:
        for dose in resource["recommendation"]:
            days = [criterion["value"] for criterion in dose["dateCriterion"]]
            codes = [criterion["code"]["coding"][0]["code"] for criterion in dose["dateCriterion"]]
            assert codes == ["30981-5", "30980-7", "59777-3"][: len(codes)]
            assert days == sorted(days)
            statuses.add(dose["forecastStatus"]["coding"][0]["code"])
    assert statuses == {"due", "overdue"}


def test_tetanus_doses_of_mothers_come_before_the_birth() -> None:
    births = [date(2020, 5, 1), date(2023, 2, 1)]
    found = list(programme.pregnancy(births, TODAY, Chance(3, 3)))
    assert [event.number for event in found] == [1, 2, 3]
    assert [event.day < birth for event, birth in zip(found, [births[0], births[0], births[1]], strict=True)] == [
        True
    ] * 3
    assert all(isinstance(event, Event) for event in found)
