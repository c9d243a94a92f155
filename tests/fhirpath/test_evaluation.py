"""Expressions on values of any type.

https://hl7.org/fhirpath/N1/ · https://hl7.org/fhir/R4/fhirpath.html
"""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions import core
from fhir_server.definitions.model import Element
from fhir_server.fhirpath import evaluation, functions, syntax
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.names import names
from tests.validation.conftest import EXAMPLES, official

NAMES = names(core(), "Patient")
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "identifier": [
        {"system": "a", "value": "001085012345"},
        {"system": "b", "_value": {"extension": [{"url": "http://absent", "valueCode": "unknown"}]}},
    ],
    "name": [{"family": "Nguyễn", "given": ["Văn", "An"]}, {"text": "An"}],
    "birthDate": "1985-03-15",
    "multipleBirthInteger": 2,
    "extension": [{"url": "http://q", "valueQuantity": {"value": Decimal("1.50"), "unit": "mL"}}],
}


def evaluate(expression: str, resource: dict[str, Any] = PATIENT) -> list[Any]:
    """Evaluate on the resource as a whole."""
    return evaluation.compile(expression, NAMES)([resource], Around(resource))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # paths
        ("name.given", ["Văn", "An"]),
        ("Patient.name.family", ["Nguyễn"]),
        ("Observation.name", []),
        ("name[1].text", ["An"]),
        ("name[9]", []),
        ("nothing", []),
        ("multipleBirth", [2]),
        ("multipleBirth.ofType(integer)", [2]),
        ("(multipleBirth as boolean)", []),
        ("extension.value.ofType(Quantity).unit", ["mL"]),
        ("extension('http://q').value.value", [Decimal("1.50")]),
        ("%resource.active", [True]),
        ("identifier.where(system = 'a').value", ["001085012345"]),
        ("identifier.where(system = 'a' or system = 'b').count()", [2]),
        ("identifier.where(system = 'a' and value.exists()).count()", [1]),
        # existence: an element that has only an extension exists, and has no value
        ("identifier.all(value.exists())", [True]),
        ("identifier.where(value.hasValue()).system", ["a"]),
        ("identifier[1].value.extension('http://absent').value", ["unknown"]),
        ("identifier[1].value = 'x'", []),
        ("deceased.exists() or deceased.empty()", [True]),
        ("name.exists(family = 'Nguyễn')", [True]),
        ("name.all(family.exists())", [False]),
        # logic with three values
        ("{} and false", [False]),
        ("{} and true", []),
        ("{} or true", [True]),
        ("{} or false", []),
        ("{} implies true", [True]),
        ("{} implies false", []),
        ("false implies {}", [True]),
        ("true xor {}", []),
        ("true xor false", [True]),
        ("{}.not()", []),
        ("nothing = nothing", []),
        ("active and name", [True]),
        # precedence
        ("true or false and false", [True]),
        ("false implies true or false", [True]),
        ("1 + 2 * 3 = 7", [True]),
        ("-3 + 5", [2]),
        ("1 | 2 | 1", [1, 2]),
        ("'a' in 'a' | 'b'", [True]),
        # numbers
        ("7 div 2", [3]),
        ("-7 div 2", [-3]),
        ("-7 mod 2", [-1]),
        ("7 / 2", [Decimal("3.5")]),
        ("1 / 0", []),
        ("1 = 1.0", [True]),
        ("true = 1", [False]),
        ("2 > 1.5", [True]),
        ("'5' > 4", []),
        # text
        ("'abc'.substring(1)", ["bc"]),
        ("'abc'.substring(1, 1)", ["b"]),
        ("'abc'.substring(3)", []),
        ("'Hello'.startsWith('He') and 'Hello'.endsWith('lo')", [True]),
        ("'Hello'.contains('ell')", [True]),
        ("'a' & nothing & 'b'", ["ab"]),
        ("'it\\'s \\u0041'", ["it's A"]),
        ("'12'.toInteger() + 1", [13]),
        ("'x'.toInteger()", []),
        ("'Ab' ~ 'aB'", [True]),
        ("'abc'.matches('b')", [True]),
        ("'abc'.matches('^b')", [False]),
        ("'12\n'.matches('^[0-9]{2}$')", [False]),
        ("'a$'.matches('^a[$]$')", [True]),
        ("'a\n b'.matches('^a.*b$')", [True]),
        ("' a '.trim()", ["a"]),
        ("'a-b-c'.split('-')", ["a", "b", "c"]),
        ("'abc'.toChars()", ["a", "b", "c"]),
        ("'abc'.replace('b', 'x') & 'ab'.replace('', '.')", ["axc.a.b."]),
        ("name.given.join(' ')", ["Văn An"]),
        ("name.given.join()", ["VănAn"]),
        ("'abc'.replaceMatches('', 'x')", ["abc"]),
        ("iif(active, 'yes', 'no')", ["yes"]),
        ("iif(nothing, 'yes', 'no')", ["no"]),
        # dates, to the precision that both have
        ("@2020-01-02 > @2020-01-01", [True]),
        ("birthDate < @1985-03-16", [True]),
        ("birthDate < @1985", []),
        ("@1985-03 <= birthDate", []),
        ("@2020-01-01T08:00:00+07:00 = '2020-01-01T08:00:00+07:00'", [True]),
        ("@2020-01-01T08:00:00+07:00 > @2020-01-01T00:59:59Z", [True]),
        ("@2020-01-01 < @2020-01-01T08:00:00Z", []),
        ("@2020-01-02 > @2020-01-01T23:00:00+07:00", [True]),
        # in Hanoi it was the 2nd already: Universal Time does not tell the place
        ("@2020-01-02 > @2020-01-01T17:00:00Z", []),
        ("@2020-01-01T17:00:00.5+00:00 < @2020-01-02", []),
        ("@2020-01-02 > @2020-01-01T09:59:59Z", [True]),
        ("@2020-01-01 < @2020-01-02T11:59:59Z", []),
        ("@2020-01-01 < @2020-01-02T12:00:00Z", [True]),
        ("@2020-02 > @2020-01-31T20:00:00Z", []),
        ("@2020-01-03 > @2020-01-01T20:00:00Z", [True]),
        ("@0001 > @0001-01-01T00:00:00Z", []),
        ("@2020-01-01T08:00:00+07:00 = @2020-01-01T01:00:00Z", [True]),
        ("@2020-01-01T08:00:00+07:00 != @2020-01-01T01:00:00Z", [False]),
        ("@2020-01-01T08:00:00Z = @2020-01-01T08:00:00", []),
        ("@2020-01-01T08:00:00Z < @2020-01-02T08:00:00", []),
        ("@2020-01-01 = @2020-01-01T08:00:00", []),
        ("@2020-01-01T08:00:00 = @2020-01-01T08:00:00.0", [True]),
        ("@2020-01-01T08:00:00 < @2020-01-01T08:00:00.1", [True]),
        ("@2020-01-01T08:00:00.25Z > @2020-01-01T08:00:00.1Z", [True]),
        ("@2020-01-01T08:00:00Z ~ @2020-01-01T08:00:00.0Z", [True]),
        # conversions
        ("'yes'.toBoolean() and 'F'.toBoolean().not()", [True]),
        ("'maybe'.toBoolean()", []),
        ("'1'.convertsToBoolean() and 'maybe'.convertsToBoolean().not()", [True]),
        ("'12'.convertsToInteger() and '1.2'.convertsToInteger().not()", [True]),
        ("true.toDecimal() = 1", [True]),
        ("'2020-01-01T08:00:00Z'.toDate()", ["2020-01-01"]),
        ("birthDate.convertsToDateTime() and 'x'.convertsToDate().not()", [True]),
        ("'08:30'.convertsToTime() and '8:30'.convertsToTime().not()", [True]),
        ("nothing.convertsToInteger()", []),
        ("name.given.toInteger()", []),
        # mathematics
        ("(-5).abs() + 1.1.ceiling() + 1.9.floor() + (-1.9).truncate()", [7]),
        ("2.power(10)", [Decimal(1024)]),
        ("10.power(999999999999)", []),
        ("(-1).power(0.5)", []),
        ("81.sqrt()", [Decimal(9)]),
        ("(-1).sqrt()", []),
        ("100.log(10).round()", [Decimal(2)]),
        ("0.ln()", []),
        ("1.25.round(1)", [Decimal("1.3")]),
        ("2.5.round()", [Decimal(3)]),
        ("'2'.abs()", []),
        # collections
        ("name.given.distinct().count()", [2]),
        ("name.given.first() | name.given.last()", ["Văn", "An"]),
        ("name.select(given.count())", [2, 0]),
        ("(1 | 2 | 3).intersect(2 | 3 | 4)", [2, 3]),
        ("(1 | 2).subsetOf(1 | 2 | 3)", [True]),
        ("name.given.isDistinct()", [True]),
        ("descendants().where($this = 'mL').count()", [1]),
        ("name.given.skip(1)", ["An"]),
        ("`active` // the rest is a comment", [True]),
    ],
)
def test_evaluates_as_the_specification_says(expression: str, expected: list[Any]) -> None:
    found = evaluate(expression)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(
    "expression",
    ["", "(", "a.", "a b", "'open", "a.b(", "1 +", "a = = b", "a.aggregate(b)", "a.subsumes(b)", "now()", "%patient",
     "a.aggregate($total)", "4 days", "4 'mg'", "a.matches('(')", "value.is(Quantity)", "(" * 100 + "a" + ")" * 100,
     "a" * 10_000, "a" + ".a" * 1000, "a" + "[0]" * 1000, "1" + " + 1" * 1000, "-" * 1000 + "1"],
)  # fmt: skip
def test_what_is_not_compiled_is_refused_at_once(expression: str) -> None:
    with pytest.raises(syntax.Unsupported):
        evaluation.compile(expression, NAMES)


def test_a_union_over_many_types_is_no_deep_expression() -> None:
    expression = " | ".join(f"{name}.id" for name in sorted(core().resource_types)[:100])
    assert evaluate(expression, {"resourceType": "Account", "id": "1"}) == ["1"]


@pytest.mark.parametrize("deep", ["name" + ".where(true" * 60 + ")" * 60, "name" + ".first()" * 120, "-" * 120 + "1"])
def test_the_deepest_expression_that_is_read_is_evaluated(deep: str) -> None:
    evaluate(deep)


def constraints() -> list[tuple[str, str, str]]:
    """Return type, key and expression of every invariant of R4 that is written on a resource as a whole."""
    return [
        (name, rule.key, rule.expression)
        for name in sorted(core().resource_types)
        for rule in root_of(name).constraints
        if rule.expression and rule.key != "dom-3"
    ]


def root_of(name: str) -> Element:
    definition = core().type(name)
    assert definition is not None
    return definition.root


UNCOMPILED = {"ig-1", "ig-2"}  # %context


def test_the_invariants_of_r4_compile() -> None:
    refused = set()
    for name, key, expression in constraints():
        try:
            evaluation.compile(expression, names(core(), name))
        except syntax.Unsupported:
            refused.add(key)
    assert refused <= UNCOMPILED


@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("*.json"))])
def test_agrees_with_fhirpathpy_on_the_invariants_of_the_official_examples(name: str) -> None:
    resource = official(name)
    for type, key, expression in constraints():
        if type == resource["resourceType"]:
            mine = evaluation.compile(expression, names(core(), type))([resource], Around(resource))
            theirs = fhirpathpy.evaluate(resource, expression, {"resource": resource}, models["r4"])
            assert functions.logical(mine) == functions.logical(theirs), key


PROPERTIES = ["name", "given", "value", "_value", "extension", "url", "identifier", "birthDate", "system"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["2020", "2020-01-01T25:61:61Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PROPERTIES), inner, max_size=4),
)
TOKENS = ["a", ".", "(", ")", "' '", "=", "and", "implies", "1", "[", "]", "$this", "%resource", "|", "-", "where"]
texts = st.text(max_size=60) | st.lists(st.sampled_from(TOKENS), max_size=20).map(" ".join)
COMPILED = [
    evaluation.compile(text, NAMES)
    for text in (
        "identifier.where(system = 'a').value.where(matches('^[0-9]{12}$')).all(substring(3, 1).toInteger() mod 2 = 0)",
        "birthDate.toString().substring(0, 4).toInteger() >= 1900 and birthDate > '2020'",
        "name.given.children().descendants().distinct().count() > 1 | identifier.value ~ name",
        "extension('a').value & name.given[0] = value.length() + birthDate",
    )
]


@given(values)
def test_any_json_can_be_evaluated(value: Any) -> None:
    for compiled in COMPILED:
        assert isinstance(compiled([value], {}), list)


@given(texts)
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with suppress(syntax.Unsupported):
        evaluation.compile(text, NAMES)([PATIENT], Around(PATIENT))
