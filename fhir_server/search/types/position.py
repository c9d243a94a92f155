"""Positional search: places within a distance of a point, on a sphere as large as the earth.

A position is indexed as two numbers of ten digits. The condition on these is a box around the circle; which of its
places lie within the circle is computed from their entries.

https://hl7.org/fhir/R4/location.html#positional
"""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import asin, ceil, cos, degrees, radians, sin, sqrt
from typing import Any, NamedTuple

from fhir_server.definitions import units
from fhir_server.search.entries import Span, field_at_most, field_below
from fhir_server.search.values import Invalid, Reader, split, unescape

Json = dict[str, Any]

RADIUS = 6_371_008.8  # metres: the mean radius of the earth; the true distance differs by 0.5 % at most
NEAR = "10"  # how far "near" reaches when no distance is given, in
KILOMETRE = "km"
_STEP = Decimal("1e-7")  # degrees that are told apart: about a centimetre
_SOUTH, _WEST = 900_000_000, 1_800_000_000  # steps from the pole or the date line to 0
_ALONG = 3_600_000_000  # steps around the earth


class Around(NamedTuple):
    """The places at most `metres` away from a point, whose coordinates are in steps from the south and the west."""

    latitude: int
    longitude: int
    metres: float

    def written(self) -> Json:
        """Return it in degrees and metres, for people."""
        latitude, longitude = (self.latitude - _SOUTH) * _STEP, (self.longitude - _WEST) * _STEP
        return {
            "latitude": f"{latitude.normalize():f}",
            "longitude": f"{longitude.normalize():f}",
            "metres": f"{self.metres:.12g}",
        }


def parse(text: str) -> Around:
    """Read `latitude|longitude`, `latitude|longitude|distance` or `…|distance|unit`; raise Invalid otherwise.

    The unit is one of length in UCUM, kilometres when there is none.
    """
    parts = [unescape(part) for part in split(text, "|")]
    latitude, longitude, distance, unit, *more = [*parts, "", "", ""][: max(4, len(parts))]
    found = _steps(latitude, 90), _steps(longitude, 180)
    metres = _metres(distance or NEAR, (unit if distance else "") or KILOMETRE)
    if found[0] is None or found[1] is None or metres is None or more:
        raise Invalid(
            f"'{text[:100]}' is no place: write latitude|longitude|distance|unit, for example 21.03|105.85|5|km",
            f"'{text[:100]}' không phải vị trí: hãy viết vĩ-độ|kinh-độ|khoảng-cách|đơn-vị, ví dụ 21.03|105.85|5|km",
        )
    return Around(found[0] + _SOUTH, found[1] + _WEST, metres)


def _steps(value: Any, most: int) -> int | None:
    """Return a latitude or longitude in steps; None when it is none."""
    try:
        found = Decimal(str(value)) if len(str(value)) <= 64 else None
    except InvalidOperation:
        return None
    if found is None or not found.is_finite() or abs(found) > most:
        return None
    return int((found / _STEP).to_integral_value())


def _metres(text: str, code: str) -> float | None:
    unit = units.unit(code)
    try:
        distance = Decimal(text) if len(text) <= 64 else None
    except InvalidOperation:
        return None
    if distance is None or not distance.is_finite() or distance < 0 or abs(distance.adjusted()) > 30:
        return None
    return float(unit.convert(Fraction(distance))) if unit is not None and unit.name == "m" else None


def reader(path: str) -> Reader | None:
    """Return how values at `path` are indexed; None when they are no position."""
    return _position if path == "Location.position" else None


def _position(value: Json) -> Iterable[str]:
    latitude, longitude = _steps(value.get("latitude"), 90), _steps(value.get("longitude"), 180)
    if latitude is None or longitude is None:
        return ()
    return (f"|{latitude + _SOUTH:010d}-{longitude + _WEST:010d}",)


def match(wanted: Around) -> list[Span]:
    """Return the spans of entries in a box around the circle: each place within it, and some that are not."""
    angle = wanted.metres / RADIUS
    south, north = _latitudes(wanted.latitude, angle)
    sides = _longitudes(wanted, angle) if south > 0 and north < 2 * _SOUTH else [(0, _ALONG)]
    return [Span(f"|{south:010d}", f"|{north + 1:010d}", _between(west, east)) for west, east in sides]


def _latitudes(latitude: int, angle: float) -> tuple[int, int]:
    reach = ceil(min(degrees(angle), 180) / float(_STEP)) + 1
    return max(latitude - reach, 0), min(latitude + reach, 2 * _SOUTH)


def _longitudes(wanted: Around, angle: float) -> list[tuple[int, int]]:
    """Return the ranges of longitude of a circle that holds no pole: two when it crosses the date line."""
    across = sin(angle) / cos(_radians(wanted.latitude - _SOUTH))
    reach = ceil(degrees(asin(min(across, 1.0))) / float(_STEP)) + 1
    west, east = wanted.longitude - reach, wanted.longitude + reach
    if east - west >= _ALONG:
        return [(0, _ALONG)]
    if west < 0:
        return [(0, east), (west + _ALONG, _ALONG)]
    return [(west, _ALONG), (0, east - _ALONG)] if east > _ALONG else [(west, east)]


def _between(west: int, east: int) -> str:
    return rf"\|[0-9]*-(?!{field_below(f'{west:010d}')}){field_at_most(f'{east:010d}')}"


def holds(rest: str, wanted: Around) -> bool:
    """Return whether a place, as it is indexed, lies within the circle."""
    latitude, _, longitude = rest.removeprefix("|").partition("-")
    if not latitude.isdigit():
        return False  # only the mark of presence: a position without coordinates
    here, there = _radians(int(latitude) - _SOUTH), _radians(wanted.latitude - _SOUTH)
    between = _radians(int(longitude) - wanted.longitude)
    # The haversine formula, which keeps its digits over short distances.
    half = sin((here - there) / 2) ** 2 + cos(here) * cos(there) * sin(between / 2) ** 2
    return 2 * RADIUS * asin(sqrt(min(half, 1.0))) <= wanted.metres


def _radians(steps: int) -> float:
    return radians(steps * float(_STEP))
