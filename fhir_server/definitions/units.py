"""Units of UCUM, each as a number of base units, so that `5.4 g` and `5400 mg` are one quantity.

The table is what UCUM defines its units by (scripts/build_ucum.py); factors are fractions, so that nothing is lost on
the way. Substance (mol) stays a dimension of its own: UCUM counts its particles, but nobody who asks for 1 mol/L means
6.02e26 /m3. Arbitrary units ([iU]) compare with themselves only; of the special ones temperatures are converted.

https://ucum.org/ucum
"""

import re
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

URL = "http://unitsofmeasure.org"
LONGEST = 100  # characters of a code
HIGHEST = 99  # exponent
PRECISION = 50  # significant digits of a converted value: more than any measurement and exact for every power of ten

_TOKEN = re.compile(
    r"(?P<annotation>\{[^{}]*\})|(?P<sign>[./()])|(?P<unit>10[*^]|(?:\[[^\[\]]*\]|[^\s\d./(){}\[\]+\-])+)"
    r"(?P<power>[+-]?\d+)?|(?P<factor>\d+)",
    re.ASCII,
)
# What is added after the conversion to kelvin: https://ucum.org/ucum#section-Special-Units-on-non-ratio-Scales
_ZEROS = {"Cel": Fraction("273.15"), "[degF]": Fraction("459.67") * 5 / 9, "[degRe]": Fraction("273.15")}
_ROUNDING = Context(prec=PRECISION)


class Unit(NamedTuple):
    """`factor` of the base units in `name` ("g.m-3"), after which `zero` of them is added."""

    factor: Fraction
    name: str
    zero: Fraction = Fraction(0)

    def convert(self, value: Fraction) -> Decimal:
        """Return `value` of this unit in base units, rounded to PRECISION digits."""
        exact = value * self.factor + self.zero
        return _ROUNDING.divide(Decimal(exact.numerator), Decimal(exact.denominator))


class _Product(NamedTuple):
    """A factor and the exponents of base units, by their codes."""

    factor: Fraction
    powers: dict[str, int]


class _Unknown(ValueError):
    """The code is none of UCUM, or its unit has no place on a scale that begins at zero."""


def unit(code: str) -> Unit | None:
    """Return what the unit `code` amounts to; None when it is none of UCUM or cannot be converted."""
    return _unit(code) if len(code) <= LONGEST else None


def known(code: str) -> bool:
    """Return whether `code` is one of UCUM, also when it has no place on a scale that begins at zero (`[pH]`, `dB`)."""
    return len(code) <= LONGEST and (_unit(code) is not None or _special(code))


@lru_cache(maxsize=256)
def _special(code: str) -> bool:
    bare, special = _bare(code), _table()["special"]
    return bare in special or any(
        bare.startswith(prefix) and bare[len(prefix) :] in special for prefix in _table()["prefixes"]
    )


def _bare(code: str) -> str:
    """Return a code without the annotation at its end."""
    return re.sub(r"\{[^{}]*\}\Z", "", code)


@lru_cache(maxsize=4096)
def _unit(code: str) -> Unit | None:
    bare = _bare(code)
    try:
        if bare in _ZEROS:
            factor, argument = _table()["special"][bare]
            found = _product(argument)
            return Unit(found.factor * Fraction(factor), _name(found.powers), _ZEROS[bare])
        found = _product(code)
    except _Unknown:
        return None
    return Unit(found.factor, _name(found.powers))


def _name(powers: dict[str, int]) -> str:
    parts = [f"{code}{'' if power == 1 else power}" for code, power in sorted(powers.items()) if power]
    return ".".join(parts) or "1"


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads((files("fhir_server.definitions") / "data" / "ucum.json").read_bytes())
    table["metric"] = frozenset(table["metric"]) | frozenset(table["base"])
    table["dimensions"] = frozenset(table["base"]) | frozenset(table["arbitrary"]) | {"mol"}
    return table


def _product(code: str) -> _Product:
    """Return what a term such as `kg.m/s2` amounts to; raise _Unknown."""
    tokens: list[re.Match[str]] = []
    place = 0
    while place < len(code):
        found = _TOKEN.match(code, place)
        if found is None:
            raise _Unknown(code)
        tokens.append(found)
        place = found.end()
    product, rest = _term(tokens)
    if rest:
        raise _Unknown(code)
    return product


def _term(tokens: list[re.Match[str]]) -> tuple[_Product, list[re.Match[str]]]:
    """Read components joined by `.` and `/` from left to right; return what is left over from a closing bracket on."""
    inverse = bool(tokens) and tokens[0]["sign"] == "/"
    tokens = tokens[1:] if inverse else tokens
    factor, powers = Fraction(1), dict[str, int]()
    while True:
        part, tokens = _component(tokens)
        factor *= 1 / part.factor if inverse else part.factor
        for code, power in part.powers.items():
            powers[code] = powers.get(code, 0) + (-power if inverse else power)
        if not tokens or tokens[0]["sign"] == ")":
            return _Product(factor, powers), tokens
        if tokens[0]["sign"] not in {".", "/"}:
            raise _Unknown(tokens[0][0])
        inverse, tokens = tokens[0]["sign"] == "/", tokens[1:]


def _component(tokens: list[re.Match[str]]) -> tuple[_Product, list[re.Match[str]]]:
    if not tokens:
        raise _Unknown("")
    first, rest = tokens[0], tokens[1:]
    if first["annotation"]:
        return _Product(Fraction(1), {}), rest
    if first["sign"] == "(":
        found, rest = _term(rest)
        if not rest:
            raise _Unknown("(")
        rest = rest[1:]
    elif first["factor"] and int(first["factor"]):
        found = _Product(Fraction(int(first["factor"])), {})
    elif first["unit"]:
        found = _raised(_simple(first["unit"]), int(first["power"] or 1))
    else:
        raise _Unknown(first[0])
    return found, rest[1:] if rest and rest[0]["annotation"] else rest


def _raised(unit: _Product, power: int) -> _Product:
    if not 0 < abs(power) <= HIGHEST:
        raise _Unknown(str(power))
    return _Product(unit.factor**power, {code: each * power for code, each in unit.powers.items()})


@cache
def _simple(code: str) -> _Product:
    """Return a unit, with or without a prefix; raise _Unknown."""
    table = _table()
    if code in table["dimensions"]:
        return _Product(Fraction(1), {code: 1})
    if code in table["units"]:
        value, definition = table["units"][code]
        defined = _product(definition)
        return _Product(defined.factor * Fraction(value), defined.powers)
    for prefix, value in table["prefixes"].items():
        rest = code.removeprefix(prefix)
        if rest != code and rest in table["metric"]:
            found = _simple(rest)
            return _Product(found.factor * Fraction(value), found.powers)
    raise _Unknown(code)
