"""The value sets of the DCC: what its codes mean, which may still be issued, and which belong together.

https://github.com/ehn-dcc-development/eu-dcc-valuesets
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

Field = Literal["tg", "vp", "mp", "ma"]  # disease, vaccine, medicinal product, marketing authorisation holder

GENERIC_VACCINE = "28531000087107"  # "COVID-19 vaccine", allowed for every product


class Product(NamedTuple):
    """How a medicinal product is to be encoded (value sets, Annex A)."""

    ma: str
    vp: tuple[str, ...]  # any of these


def display(field: Field, code: str) -> str | None:
    """Return the English name of `code`; None when the value set lacks it."""
    name: str | None = _table()["sets"][field]["display"].get(code)
    return name


def displays() -> dict[str, dict[str, str]]:
    """Return the English names of all codes, by field."""
    return {field: values["display"] for field, values in _table()["sets"].items()}


def active(field: Field, code: str) -> bool:
    """Return whether new certificates may use `code`."""
    values = _table()["sets"][field]
    return code in values["display"] and code not in values["inactive"]


def product(mp: str) -> Product | None:
    """Return how the medicinal product `mp` is encoded; None when Annex A lacks it."""
    row = _table()["products"].get(mp)
    return Product(row["ma"], tuple(row["vp"])) if row else None


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((files("signing") / "data" / "dcc_values.json").read_text("utf-8"))
    return table
