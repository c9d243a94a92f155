"""The law of positional search: found exactly within the distance, over the date line and the poles too.

https://hl7.org/fhir/R4/location.html#positional
"""

from decimal import Decimal
from math import atan2, cos, radians, sin, sqrt
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fhir_server.search.types import position
from fhir_server.search.types.position import RADIUS
from fhir_server.search.values import Invalid
from tests.search.searching import finds, lies

Point = tuple[Decimal, Decimal]


def place(point: Point) -> dict[str, Any]:
    return {"resourceType": "Location", "id": "1", "position": {"latitude": point[0], "longitude": point[1]}}


def metres(one: Point, other: Point) -> float:
    """Return the distance by the angle between two vectors."""
    first, second = (_vector(*map(float, point)) for point in (one, other))
    (a, b, c), (x, y, z) = first, second
    across = sqrt((b * z - c * y) ** 2 + (c * x - a * z) ** 2 + (a * y - b * x) ** 2)
    return RADIUS * atan2(across, a * x + b * y + c * z)


def _vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    up, around = radians(latitude), radians(longitude)
    return cos(up) * cos(around), cos(up) * sin(around), sin(up)


def degrees(most: int) -> st.SearchStrategy[Decimal]:
    """Return coordinates everywhere, and often where it matters."""
    return st.decimals(-most, most, places=4) | st.sampled_from([Decimal(-most), Decimal(most), Decimal(0)])


points = st.tuples(degrees(90), degrees(180))
distances = st.decimals(0, 20_100, places=2) | st.decimals(0, 50, places=3)


@given(points, points, distances)
@example((Decimal(90), Decimal(0)), (Decimal("89.99"), Decimal(180)), Decimal(2))
@example((Decimal(0), Decimal("179.999")), (Decimal(0), Decimal("-179.999")), Decimal(1))
@example((Decimal("89.9"), Decimal(0)), (Decimal("89.9"), Decimal(180)), Decimal(30))
@example((Decimal(-90), Decimal(7)), (Decimal(90), Decimal(0)), Decimal(20_100))
def test_a_place_is_found_exactly_when_it_is_that_near(here: Point, there: Point, kilometres: Decimal) -> None:
    distance = metres(here, there)
    assume(abs(distance - float(kilometres) * 1000) > 0.1)  # on the line the two formulas may differ
    wanted = position.parse(f"{here[0]}|{here[1]}|{kilometres}|km")
    [rest] = position._position(place(there)["position"])
    near = distance <= kilometres * 1000
    assert position.holds(rest, wanted) is near
    if near:
        assert lies([rest], position.match(wanted))


@given(points, st.decimals(0, 100, places=2), st.sampled_from([-1, 1]), st.sampled_from([-1, 1]))
def test_the_box_is_not_much_larger_than_the_circle(here: Point, kilometres: Decimal, north: int, east: int) -> None:
    assume(abs(here[0]) < 80)
    reach = Decimal(kilometres) / Decimal("111.1") * Decimal("1.1") + Decimal("0.001")
    beyond = (here[0] + north * reach, here[1])
    [rest] = position._position(place(beyond)["position"])
    assert not lies([rest], position.match(position.parse(f"{here[0]}|{here[1]}|{kilometres}")))


HANOI = (Decimal("21.0285"), Decimal("105.8542"))
ROWS = [
    ("21.0285|105.8542|0", True),
    ("21.0285|105.8542", True),
    ("21.1|105.8542", True),  # 8 km: within the distance that is meant by none
    ("21.2|105.8542", False),  # 19 km
    ("21.2|105.8542|20", True),
    ("21.2|105.8542|19", False),
    ("21.2|105.8542|20|km", True),
    ("21.2|105.8542|20000|m", True),
    ("21.2|105.8542|19000|m", False),
    ("21.2|105.8542|12|[mi_i]", True),
    ("21.2|105.8542|11|[mi_i]", False),
    ("10.7769|106.7009|1138", False),
    ("10.7769|106.7009|1144", True),
    ("+21.0285|105.8542", True),
]


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_finds_a_place_by_its_distance(text: str, expected: bool) -> None:
    wanted = position.parse(text)
    assert any(position.holds(rest, wanted) for rest in position._position(place(HANOI)["position"])) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "21",
        "21|",
        "|105",
        "91|0",
        "-90.1|0",
        "0|181",
        "a|b",
        "21|105|-1",
        "21|105|x",
        "21|105|5|kg",
        "21|105|5|no",
        "21|105|5|km|x",
        "NaN|0",
        "0|Infinity",
        "21|105|1e40",
        "1" * 70 + "|0",
        "105.8542|21.0285|5",
    ],  # the other way round
)
def test_refuses_what_is_no_place(text: str) -> None:
    with pytest.raises(Invalid):
        position.parse(text)


@pytest.mark.parametrize("value", [{"latitude": 91, "longitude": 0}, {"latitude": 0, "longitude": "x"}, {}])
def test_a_place_that_is_nowhere_has_a_position_but_is_near_nothing(value: dict[str, Any]) -> None:
    assert list(position._position(value)) == []
    assert not position.holds("|\t", position.parse("0|0|20100"))


def test_a_position_is_there_or_missing() -> None:
    assert finds(place(HANOI), ("near:missing", "false"))
    assert finds({"resourceType": "Location", "id": "2"}, ("near:missing", "true"))
