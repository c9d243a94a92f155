"""Units of UCUM in base units: the same as a library of units says, but exact.

https://ucum.org/ucum · https://github.com/dalito/ucumvert
"""

import csv
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ucumvert import PintUcumRegistry

from fhir_server.definitions import units

# Of UCUM's examples: what is no unit, or begins at no zero.
NOT_CONVERTED = {"Torr", "[pH]", "dB"}
TEMPERATURES = {"Cel", "[degF]"}
# Where the library counts otherwise: fields of a microscope, and columns by a finer density of mercury and water.
OTHERWISE = ("[LPF]", "[Hg]", "H2O]")


@pytest.fixture(scope="module")
def library() -> Any:
    return PintUcumRegistry()


def examples() -> list[str]:
    """Return the units that UCUM's own table for electronic messaging names."""
    with (files("ucumvert") / "vendor" / "ucum_examples.tsv").open(encoding="utf-8") as lines:
        return sorted({row["UCUM_CODE"] for row in csv.DictReader(lines, delimiter="\t")})


def test_every_example_of_ucum_is_a_unit_that_can_be_compared() -> None:
    assert {code for code in examples() if units.unit(code) is None} == NOT_CONVERTED


def test_units_amount_to_what_a_library_says(library: Any) -> None:
    checked = 0
    for code in sorted({*examples()} - NOT_CONVERTED - TEMPERATURES):
        found = units.unit(code)
        assert found is not None
        # Arbitrary units are plain numbers to the library; a lone remark is none to it.
        if (
            "'U]" in found.name
            or found.name.startswith("[")
            or code.startswith("{")
            or any(w in code for w in OTHERWISE)
        ):
            continue
        ratio = (library.from_ucum(code) / library.from_ucum(found.name)).to_base_units()
        assert ratio.dimensionless, code
        assert float(ratio.magnitude) == pytest.approx(float(found.factor), rel=1e-9), code
        checked += 1
    assert checked > 650


@pytest.mark.parametrize("code", ["Cel", "[degF]", "[degRe]"])
@pytest.mark.parametrize("value", [-40, 0, 37, Decimal("98.6")])
def test_temperatures_are_converted_as_the_library_does(library: Any, code: str, value: Decimal) -> None:
    found = units.unit(code)
    assert found is not None
    of = {"Cel": "degree_Celsius", "[degF]": "degree_Fahrenheit", "[degRe]": "degree_Reaumur"}[code]
    expected = library.Quantity(float(value), of).to("kelvin").magnitude
    assert float(found.convert(Fraction(value))) == pytest.approx(expected, rel=1e-12)


SAME = [
    ("5400", "mg", "5.4", "g"),
    ("1", "mg/dL", "10", "g/m3"),
    ("4.5", "10*3/uL", "4.5", "10*9/L"),
    ("4500", "{cells}/uL", "4.5", "10*9/L"),
    ("60", "/min", "1", "s-1"),
    ("0.5", "mL", "500", "uL"),
    ("1", "L", "1", "l"),
    ("1000", "m[IU]/mL", "1", "k[iU]/L"),
    ("2", "kg.m/s2", "2", "N"),
    ("100", "%", "1", "1"),
    ("98.6", "[degF]", "37", "Cel"),
    ("1", "[lb_av]", "453.59237", "g"),
    ("10", "g/(8.h)", "30", "g/d"),
    ("2", "m{shoulder}", "2", "m"),
]


@pytest.mark.parametrize(("value", "code", "other", "other_code"), SAME, ids=[f"{row[1]} {row[3]}" for row in SAME])
def test_equal_quantities_are_equal_to_the_last_digit(value: str, code: str, other: str, other_code: str) -> None:
    one, two = units.unit(code), units.unit(other_code)
    assert one is not None
    assert two is not None
    assert one.name == two.name
    assert one.convert(Fraction(value)) == two.convert(Fraction(other))


@pytest.mark.parametrize(
    ("code", "other"),
    [
        ("mg", "mL"),
        ("mol", "g"),
        ("mol/L", "/L"),
        ("[iU]", "[arb'U]"),
        ("[iU]", "1"),
        ("Cel", "Hz"),
        ("[CFU]", "[PFU]"),
    ],
)
def test_what_is_measured_differently_is_not_compared(code: str, other: str) -> None:
    one, two = units.unit(code), units.unit(other)
    assert one is not None
    assert two is not None
    assert one.name != two.name


@pytest.mark.parametrize(
    "code",
    [
        "milligram",
        "2mg",
        "mg//dL",
        "/",
        "mg.",
        "(mg",
        "mg)",
        "()",
        "m0",
        "m100",
        "10*1000",
        "kmin",
        "Cel/min",
        "mCel",
        "{",
        "mg{",
        "0",
        "[",
        "ng]",
        "°C",
        "٣",
        "Torr",
        "",
        "m Cel",
        "mg\n",
        "\n",
        "m" * 101,
        "(" * 100,
    ],
)
def test_what_is_no_unit_of_ucum_is_told(code: str) -> None:
    assert units.unit(code) is None


# Every unit that `/` and `.` can make of these has its inverse and its product.
codes = st.sampled_from(["g", "mg", "L", "mL", "10*3", "mmol", "[iU]", "min", "{a}", "m2", "s-1", "7"])


@given(codes, codes)
def test_division_undoes_multiplication(one: str, other: str) -> None:
    back, plain = units.unit(f"{one}.{other}/{other}"), units.unit(one)
    assert back is not None
    assert plain is not None
    assert (back.factor, back.name) == (plain.factor, plain.name)


@given(st.text("mgkLs10*/.()[]{}iU-+2^%'", max_size=20))
def test_any_text_is_a_unit_or_not(text: str) -> None:
    found = units.unit(text)
    assert found is None or (found.factor > 0 and not {"|", "\n", "\t", "\\"} & set(found.name))
