"""https://hl7.org/fhir/R4/json.html · https://www.rfc-editor.org/rfc/rfc8259"""

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.outcome import Malformed, outcome
from fhir_server.wire import MAX_DIGITS, MAX_EXPONENT, Exact, dumps, loads

# https://www.rfc-editor.org/rfc/rfc8259#section-6
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers.map(Exact) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(numbers)
@example("1.10")
@example("-0")
@example("-0.0")
@example("1E400")
@example("0e-7")
@example("9223372036854775808")
@example("123456789012345678")
@example("1" * MAX_DIGITS)
@example(f"1e-{MAX_EXPONENT}")
def test_a_number_comes_back_with_every_digit(text: str) -> None:
    assert dumps(loads(text)) == text.encode()


@given(numbers)
def test_a_number_has_its_value(text: str) -> None:
    assert Decimal(loads(text)) == Decimal(text)


@given(values)
def test_what_was_read_is_written_back(value: Any) -> None:
    written = dumps(value)
    assert dumps(loads(written)) == written


@given(values)
def test_what_is_written_is_the_json_that_everybody_reads(value: Any) -> None:
    def plain(text: str) -> Exact:
        return Exact(text)

    assert json.loads(dumps(value), parse_float=plain) == value


def answered(body: bytes | str) -> bytes:
    """Read `body`; return what is written back, or the answer that says why not."""
    try:
        return dumps(loads(body))
    except Malformed as error:
        return dumps(outcome(error.issues))


@given(st.binary())
@example(b'"\xed\xa0\x80"')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert answered(body)


@given(st.text())
@example("\ud800")
def test_any_text_is_read_or_refused(body: str) -> None:
    assert answered(body)
    assert answered(json.dumps(body))
    name = json.dumps(body)
    assert answered(f"{{{name}:1,{name}:[{name}]}}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", int),
        ("-7", int),
        ("999999999999999999", int),
        ("-0", Exact),
        ("9999999999999999999", Exact),
        ("1.0", Exact),
        ("1e2", Exact),
    ],
)
def test_only_numbers_that_an_integer_cannot_keep_are_exact(text: str, kind: type) -> None:
    assert loads(text).__class__ is kind


def test_the_order_of_members_stays() -> None:
    assert dumps(loads('{"b":1,"a":{"d":2,"c":3}}')) == b'{"b":1,"a":{"d":2,"c":3}}'


def test_a_calculated_decimal_is_written_as_it_is() -> None:
    assert dumps([Decimal("1.50"), Decimal("1E+2")]) == b"[1.50,1E+2]"


def test_vietnamese_text_is_written_in_utf_8() -> None:
    assert dumps(loads('"\\u0110\\u1eb7ng"')) == '"Đặng"'.encode()


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"a":1}', '\ufeff{"a":1}'], ids=["bytes", "text"])
def test_a_byte_order_mark_is_ignored(body: bytes | str) -> None:
    assert loads(body) == {"a": 1}


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_json_may_be_nested_as_deep_as_it_can_be_written() -> None:
    assert dumps(loads(nested(250))) == nested(250).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("", "not JSON", id="nothing"),
        pytest.param("{", "not JSON", id="cut off"),
        pytest.param("[1,]", "line 1, column 4", id="comma too many"),
        pytest.param("{'a':1}", "not JSON", id="single quotes"),
        pytest.param("{} {}", "not JSON", id="two values"),
        pytest.param("01", "not JSON", id="leading zero"),
        pytest.param("+1", "not JSON", id="plus sign"),
        pytest.param(".5", "not JSON", id="no digit before the point"),
        pytest.param('"a\nb"', "not JSON", id="control character"),
        pytest.param("NaN", "NaN is not a JSON number", id="NaN"),
        pytest.param('{"a":[-Infinity]}', "-Infinity is not a JSON number", id="infinity"),
        pytest.param('{"a":1,"b":2,"a":1}', "'a' occurs twice", id="property twice"),
        pytest.param('{"x":{"\\u0061":1,"a":2}}', "'a' occurs twice", id="property twice, one of them escaped"),
        pytest.param('{"\\ud800":1,"\\ud800":2}', r"'\\ud800' occurs twice", id="half a surrogate pair twice"),
        pytest.param('"\\ud800"', "not Unicode", id="half a surrogate pair"),
        pytest.param('{"\\udfff":1}', "not Unicode", id="half a surrogate pair in a name"),
        pytest.param(b'"\xff"', r"not UTF-8 \(byte 1\)", id="not UTF-8"),
        pytest.param('{"a":"é"}'.encode("latin-1"), "not UTF-8", id="Latin-1"),
        pytest.param('{"a":1}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(b'"\xed\xa0\x80"', "not UTF-8", id="half a surrogate pair in bytes"),
        pytest.param(nested(300), "too deep", id="300 deep"),
        pytest.param(nested(5000), "too deep", id="5,000 deep"),
        pytest.param('{"a":' * 5000 + "1" + "}" * 5000, "too deep", id="objects 5,000 deep"),
        pytest.param("[" * 100_000, "too deep|not JSON", id="100,000 deep and cut off"),
        pytest.param("1" * (MAX_DIGITS + 1), "too long", id="integer of 256 digits"),
        pytest.param("0." + "1" * MAX_DIGITS, "too long", id="fraction of 257 digits"),
        pytest.param("1e1000", "too long", id="exponent 1,000"),
        pytest.param("1e99999999999999999999", "too long", id="exponent beyond any decimal"),
        pytest.param("1e-99999999999999999999", "too long", id="exponent below any decimal"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes | str, message: str) -> None:
    with pytest.raises(Malformed, match=message) as refused:
        loads(body)
    [issue] = refused.value.issues
    assert issue.vi != issue.en
    assert dumps(outcome(refused.value.issues))


def test_a_property_that_occurs_twice_is_found_in_linear_time() -> None:
    names = [f'"{number}":0' for number in range(200_000)]
    body = "{" + ",".join([*names, '"199999":0']) + "}"
    before = time.process_time()
    with pytest.raises(Malformed, match="'199999' occurs twice"):
        loads(body)
    assert time.process_time() - before < 5  # seconds; comparing every name with every other takes an hour


@pytest.mark.parametrize(
    "value",
    [{1, 2}, [object()], {"a": 1j}, Decimal("NaN"), [Decimal("Infinity")]],
    ids=["a set", "an object", "a complex number", "no number", "an endless number"],
)
def test_what_is_no_json_is_our_fault_and_not_the_clients(value: Any) -> None:
    with pytest.raises(TypeError, match="is not JSON"):
        dumps(value)
