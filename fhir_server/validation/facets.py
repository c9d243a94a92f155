"""Facets: fixed values, patterns, least and greatest values and lengths that a profile demands of an element.

https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath.functions import order
from fhir_server.validation import quantities, values
from fhir_server.validation.report import Path, Walk, shown
from fhir_server.validation.rules import Demanded, Node

Check = Callable[[Any, Path, Walk], None]


def checks(node: Node, kind: str) -> list[Check]:
    """Return the checks of one value of type `kind`."""
    found = [_fixed(node, demanded, kind) for demanded in node.fixed]
    found += [_pattern(node, demanded) for demanded in node.patterns]
    found += [_bound(node, demanded, -1) for demanded in node.least]
    found += [_bound(node, demanded, 1) for demanded in node.most]
    if node.longest is not None:
        found.append(_longest(node, node.longest))
    return found


def _fixed(node: Node, demanded: Demanded, kind: str) -> Check:
    """Check a fixed value. Of a concept, text and display may differ in what people mean to be the same: a warning."""

    def check(value: Any, path: Path, walk: Walk) -> None:
        if values.same(value, demanded.value):
            return
        codes = kind in ("CodeableConcept", "Coding") and values.holds(value, _without_displays(demanded.value))
        _differs("warning" if codes else "error", node, demanded, path, walk, "fixed")

    return check


def _without_displays(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_displays(part) for name, part in value.items() if name not in ("display", "text")}
    return [_without_displays(part) for part in value] if isinstance(value, list) else value


def _pattern(node: Node, demanded: Demanded) -> Check:
    def check(value: Any, path: Path, walk: Walk) -> None:
        if not values.holds(value, demanded.value):
            _differs("error", node, demanded, path, walk, "pattern")

    return check


def _differs(severity: Any, node: Node, demanded: Demanded, path: Path, walk: Walk, facet: str) -> None:
    text = shown(demanded.value)
    walk.add(
        severity,
        "value",
        path,
        f"{node.id}:{facet}",
        (
            f"{node.id} has another value than the profile demands: use {text}",
            f"{node.id} khác giá trị hồ sơ yêu cầu: hãy dùng {text}",
        ),
        demanded.profile,
    )


def _bound(node: Node, demanded: Demanded, beyond: int) -> Check:
    """Check a least (-1) or greatest (1) value: of numbers and times as such, of a Quantity in units that compare."""
    least = beyond < 0

    def check(value: Any, path: Path, walk: Walk) -> None:
        if _compare(value, demanded.value, walk.today, beyond) != beyond:
            return
        limit = shown(demanded.value)
        walk.error(
            "value",
            path,
            f"{node.id}:{'minValue' if least else 'maxValue'}",
            f"{node.id} is {shown(value)}: the profile allows {'nothing below' if least else 'at most'} {limit}",
            f"{node.id} là {shown(value)}: hồ sơ chỉ cho phép {'từ' if least else 'đến'} {limit}",
            demanded.profile,
        )

    return check


def _compare(value: Any, limit: Any, today: str | None, sign: int) -> int | None:
    if isinstance(limit, dict):
        if isinstance(value, str):  # a time, which may lie at most a Quantity of time before (-1) or after now
            moment = _from_today(limit, today, sign)
            return None if moment is None else order([value[: len(moment)]], [moment])
        return quantities.order(value, limit) if isinstance(value, dict) else None
    return order([_number(value)], [_number(limit)])


def _number(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, float) else value


def _from_today(quantity: dict[str, Any], today: str | None, sign: int) -> str | None:
    """Return the day that lies a quantity of years, months, weeks or days before (-1) or after today."""
    if today is None:
        return None
    number, unit = sign * int(quantity.get("value", 0)), quantity.get("code")
    day = date.fromisoformat(today)
    months = {"a": 12, "mo": 1}.get(str(unit), 0) * number
    days = {"wk": 7, "d": 1}.get(str(unit), 0) * number
    total = day.year * 12 + day.month - 1 + months
    try:
        moved = date(total // 12, total % 12 + 1, min(day.day, 28))
        return date.fromordinal(moved.toordinal() + days).isoformat()
    except ValueError:
        return None


def _longest(node: Node, demanded: Demanded) -> Check:
    most = demanded.value

    def check(value: Any, path: Path, walk: Walk) -> None:
        if type(value) is str and len(value) > most:
            walk.error(
                "too-long",
                path,
                f"{node.id}:maxLength",
                f"{node.id} has {len(value)} characters: the profile allows at most {most}",
                f"{node.id} có {len(value)} ký tự: hồ sơ chỉ cho phép tối đa {most}",
                demanded.profile,
            )

    return check
