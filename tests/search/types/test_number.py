"""The law of number and quantity search: the order of strings is the order of numbers.

https://hl7.org/fhir/R4/search.html#number · https://hl7.org/fhir/R4/search.html#quantity
"""

import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhir_server.search.types import number, quantity
from fhir_server.search.types.number import Scaled, encode, encode_value
from fhir_server.search.values import Invalid
from tests.search.searching import CONTEXT, finds, lies

PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
scaled = st.builds(Scaled, st.integers(-1200, 1200) | st.integers(-(10**25), 10**25), st.integers(-6, 6))
# Few numbers, so that they often meet.
decimals = st.builds(lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-120, 120), st.integers(0, 2))
intervals = st.tuples(decimals | st.none(), decimals | st.none()).filter(
    lambda pair: pair[0] is None or pair[1] is None or pair[0] <= pair[1]
)


def exact(value: Scaled) -> Fraction:
    return Fraction(value.digits) * Fraction(10) ** value.exponent


@given(scaled, scaled)
@example(Scaled(12, 0), Scaled(123, -1))
@example(Scaled(-12, 0), Scaled(-123, -1))
@example(Scaled(0, 5), Scaled(0, 0))
@example(Scaled(100, 0), Scaled(1, 2))
def test_encoded_numbers_sort_as_numbers_do(one: Scaled, other: Scaled) -> None:
    # A separator that sorts below every digit always follows.
    first, second = f"{encode(one)} ", f"{encode(other)} "
    assert (first < second) is (exact(one) < exact(other))
    assert (first == second) is (exact(one) == exact(other))


def described(low: Decimal | None, high: Decimal | None, prefix: str, text: str) -> bool:
    """What the table of prefixes says of the closed interval from `low` to `high`, read aloud."""
    value = Decimal(text)
    half = Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)
    if prefix == "ap":
        half = max(half, abs(value) / 10)
    first, last = Decimal("-Infinity") if low is None else low, Decimal("Infinity") if high is None else high
    contained = value - half <= first and last < value + half
    match prefix:
        case "eq":
            return contained
        case "ne":
            return not contained
        case "gt":
            return last > value
        case "ge":
            return last >= value
        case "lt":
            return first < value
        case "le":
            return first <= value
        case "sa":
            return first > value
        case "eb":
            return last < value
        case _:
            return first < value + half and value - half <= last


@settings(max_examples=400)
@given(st.lists(decimals, min_size=1, max_size=3), st.sampled_from(PREFIXES), decimals)
def test_a_number_is_found_exactly_when_described(values: list[Decimal], prefix: str, wanted: Decimal) -> None:
    read = number.reader("decimal", CONTEXT)
    assert read is not None
    rests = [rest for value in values for rest in read(value)]
    expected = any(described(value, value, prefix, f"{wanted:f}") for value in values)
    assert lies(rests, number.match(number.parse(f"{prefix}{wanted:f}"), intervals=False)) is expected


@settings(max_examples=400)
@given(st.lists(intervals, min_size=1, max_size=2), st.sampled_from(PREFIXES), decimals, st.booleans())
@example([(Decimal(1), Decimal(9))], "ap", Decimal(5), False)
@example([(None, Decimal(9))], "ge", Decimal(9), True)
def test_a_range_is_found_exactly_when_described(
    ranges: list[tuple[Decimal | None, Decimal | None]], prefix: str, wanted: Decimal, composite: bool
) -> None:
    read = number.reader("Range", CONTEXT)
    assert read is not None
    written = [
        {name: {"value": v} for name, v in (("low", low), ("high", high)) if v is not None} for low, high in ranges
    ]
    rests = [rest for each in written for rest in read(each)]
    if composite:
        rests = [rest for rest in rests if rest.startswith("|")]
    expected = any(described(low, high, prefix, f"{wanted:f}") for low, high in ranges)
    spans = number.match(number.parse(f"{prefix}{wanted:f}"), intervals=True, composite=composite)
    assert lies(rests, spans) is expected


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1.0e2", "95", "105"),
        ("1e2", "50", "150"),
        ("-5", "-5.5", "-4.5"),
        ("0", "-0.5", "0.5"),
        ("5e-3", "0.0045", "0.0055"),
    ],
)
def test_a_number_is_as_wide_as_it_is_precise(text: str, low: str, high: str) -> None:
    read = number.parse(text)
    assert (read.low, read.high) == (encode_value(Decimal(low)), encode_value(Decimal(high)))


@pytest.mark.parametrize(
    "text", ["", "x", "1e999999", "1e-999999", "9" * 61, "1" * 10**6, "--1", "1.2.3", "NaN", "1e", "٣", "0x1", " 1"]
)
def test_refuses_cheaply_what_is_no_number_or_too_large(text: str) -> None:
    began = time.process_time()
    with pytest.raises(Invalid):
        number.parse(text)
    assert time.process_time() - began < 2  # to compute 1e999999 exactly takes minutes


@pytest.mark.parametrize("text", ["1e999999", "-1e-999999", "1" * 3000, "0." + "1" * 500, "NaN", "Infinity"])
def test_numbers_in_resources_that_cannot_be_indexed_are_only_present(text: str) -> None:
    resource = {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": Decimal(text)}]}
    assert finds(resource, ("probability:missing", "false"))
    assert not finds(resource, ("probability", "gt-1"))


def test_finds_a_probability() -> None:
    chance = {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": Decimal("0.80")}]}
    assert finds(chance, ("probability", "0.8"))
    assert finds(chance, ("probability", "gt8e-2"))
    assert not finds(chance, ("probability", "gt8e-1"))


UCUM = "http://unitsofmeasure.org"
MG = {"value": Decimal("5.40"), "unit": "milligram", "system": "http://unitsofmeasure.org", "code": "mg"}
ROWS = [
    (MG, "5.4", True),
    (MG, "5.4|http://unitsofmeasure.org|mg", True),
    (MG, "5.4|http://unitsofmeasure.org|g", False),
    (MG, "5.4|http://other.example|mg", False),
    (MG, "5.4||mg", True),
    # the same in other units of UCUM
    (MG, f"0.0054|{UCUM}|g", True),
    (MG, f"5400|{UCUM}|ug", True),
    (MG, f"5.40e3|{UCUM}|ug", True),
    (MG, f"5.41e3|{UCUM}|ug", False),
    (MG, f"gt5.3e-3|{UCUM}|g", True),
    (MG, f"gt5.4e-3|{UCUM}|g", False),
    (MG, f"ge5.4e-3|{UCUM}|g", True),
    (MG, f"lt5.4e-3|{UCUM}|g", False),
    (MG, f"le5.4e-3|{UCUM}|g", True),
    (MG, f"ne5.4e-3|{UCUM}|g", False),
    (MG, f"ne5.4e-3|{UCUM}|m", False),
    (MG, f"ap5e-3|{UCUM}|g", True),
    (MG, f"sa5e-3|{UCUM}|g", True),
    (MG, f"eb6e-3|{UCUM}|g", True),
    (MG, f"5.4|{UCUM}|mL", False),
    (MG, f"5.4|{UCUM}|milligram", False),
    (MG, "5.4e-3||g", False),
    (MG, "5.4e-3", False),
    ({**MG, "code": "mg{dose}"}, f"5.4|{UCUM}|mg", True),
    ({**MG, "system": "http://other.example"}, f"5.4|{UCUM}|mg", False),
    ({**MG, "comparator": "<"}, f"lt1|{UCUM}|g", True),
    ({**MG, "comparator": "<"}, f"gt0.0054|{UCUM}|g", False),
    ({**MG, "comparator": ">="}, f"gt1|{UCUM}|kg", True),
    ({**MG, "code": "[pH]"}, f"5.4|{UCUM}|[pH]", True),
    ({**MG, "code": "no-unit"}, f"5.4|{UCUM}|no-unit", True),
    ({**MG, "code": "Cel", "value": Decimal("37.0")}, f"98.6|{UCUM}|[degF]", True),
    ({**MG, "code": "Cel", "value": Decimal("37.0")}, f"gt98.6|{UCUM}|[degF]", False),
    ({**MG, "code": "Cel", "value": Decimal("37.0")}, f"gt98.5|{UCUM}|[degF]", True),
    (MG, "5.4||milligram", True),
    (MG, "5.4||gram", False),
    (MG, "5.40|http://unitsofmeasure.org|mg", True),
    (MG, "5.44|http://unitsofmeasure.org|mg", False),
    (MG, "gt5||mg", True),
    (MG, "gt5.4||mg", False),
    (MG, "ge5.4||mg", True),
    (MG, "lt10||g", False),
    (MG, "ne5.4||mg", False),
    (MG, "ne6||mg", True),
    (MG, "ne6||g", False),
    (MG, "ap5||mg", True),
    (MG, "sa5||mg", True),
    (MG, "eb5||mg", False),
    ({**MG, "comparator": "<"}, "lt1||mg", True),
    ({**MG, "comparator": "<"}, "gt5.4||mg", False),
    ({**MG, "comparator": ">"}, "gt100||mg", True),
    ({**MG, "comparator": ">"}, "gt100||g", False),
    ({**MG, "comparator": ">"}, "5.4||mg", False),
    ({"value": 3, "unit": "a|b c"}, r"3||a\|b c", True),
    ({"value": 3, "unit": "a|b c"}, "3||c", False),
    ({"value": 3}, "3", True),
    ({"value": 3}, "3||mg", False),
    ({"value": -3}, "lt-2", True),
    ({"unit": "mg"}, "lt1000", False),
]


@pytest.mark.parametrize(("value", "text", "expected"), ROWS)
def test_finds_a_quantity_by_number_and_unit(value: dict[str, Any], text: str, expected: bool) -> None:
    assert finds({"resourceType": "Observation", "valueQuantity": value}, ("value-quantity", text)) is expected


# Few values and units, so that they often meet.
amounts = st.tuples(decimals, st.sampled_from(["mg", "g", "kg", "mL", "mg/mL"]))


@settings(max_examples=300)
@given(amounts, st.sampled_from(PREFIXES), amounts)
@example((Decimal("5.4"), "g"), "eq", (Decimal(5400), "mg"))
def test_a_quantity_is_found_exactly_when_described_in_one_unit_or_another(
    stored: tuple[Decimal, str], prefix: str, wanted: tuple[Decimal, str]
) -> None:
    factors = {"mg": Decimal(1), "g": Decimal(1000), "kg": Decimal(10**6)}
    value = {"value": stored[0], "system": UCUM, "code": stored[1]}
    text = f"{prefix}{wanted[0]:f}|{UCUM}|{wanted[1]}"
    if stored[1] in factors and wanted[1] in factors:
        same = stored[0] * factors[stored[1]] / factors[wanted[1]]
        expected = described(same, same, prefix, f"{wanted[0]:f}")
    else:
        expected = stored[1] == wanted[1] and described(stored[0], stored[0], prefix, f"{wanted[0]:f}")
    read = quantity.reader("Quantity", CONTEXT)
    assert read is not None
    assert lies(read(value), quantity.match(quantity.parse(text))) is expected


def test_a_range_and_samples_are_compared_in_other_units_too() -> None:
    weight = {"system": UCUM, "code": "g"}
    risk = {
        "resourceType": "Observation",
        "valueSampledData": {"origin": {"value": 0, **weight}, "lowerLimit": 100, "upperLimit": 200},
    }
    assert finds(risk, ("value-quantity", f"gt0.15|{UCUM}|kg"))
    assert finds(risk, ("value-quantity", f"sa99|{UCUM}|g"))
    assert not finds(risk, ("value-quantity", f"gt0.2|{UCUM}|kg"))
    assert not finds(risk, ("value-quantity", f"gt0.15|{UCUM}|L"))


def test_money_has_its_currency_as_unit() -> None:
    invoice = {"resourceType": "Invoice", "totalGross": {"value": 150000, "currency": "VND"}}
    assert finds(invoice, ("totalgross", "ge100000|urn:iso:std:iso:4217|VND"))
    assert not finds(invoice, ("totalgross", "ge100000|urn:iso:std:iso:4217|USD"))


@pytest.mark.parametrize("text", ["", "mg", "5|mg", "5|a|b|c", "5||", "gt|x|mg", "5|http://x|"])
def test_refuses_what_is_no_quantity(text: str) -> None:
    with pytest.raises(Invalid):
        quantity.parse(text)
