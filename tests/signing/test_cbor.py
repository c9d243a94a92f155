"""https://www.rfc-editor.org/rfc/rfc8949"""

import math
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import cbor
from signing.refusal import Refused

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert cbor.loads(cbor.dumps(value)) == value


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("c074323032312d30352d30335431383a30303a30305a", "2021-05-03T18:00:00Z"),
        ("c073323032312d30352d30335431383a30303a3030", "2021-05-03T18:00:00"),
        ("c11a609060a0", 1620074656),
        ("bf616101ff", {"a": 1}),
    ],
    ids=["date-time", "date-time without a zone", "seconds", "map of indefinite length"],
)
def test_reads_what_real_certificates_hold(data: str, expected: Any) -> None:
    assert cbor.loads(bytes.fromhex(data)) == expected


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-cbor"),
        (b"\xa1\x01\x02\x00", "cbor-trailing"),
        (bytes.fromhex("a201020103"), "not-cbor"),
        (bytes.fromhex("a201010102"), "not-cbor"),
        (bytes.fromhex("d81c81d81d00"), "not-cbor"),
        (bytes.fromhex("d82363612b62"), "not-cbor"),
        (cbor2.dumps(2**70), "not-cbor"),
        (cbor2.dumps({1, 2}), "not-cbor"),
        (cbor2.dumps(cbor2.CBORTag(999, 1)), "not-cbor"),
        (b"\x81" * 17 + b"\x00", "not-cbor"),
        (b"\x81" * 100_000, "not-cbor"),
        (bytes.fromhex("9b7fffffffffffffff"), "not-cbor"),
        (bytes.fromhex("5b7fffffffffffffff"), "not-cbor"),
        (b"\x61\xff", "not-cbor"),
        (b"\xff", "not-cbor"),
    ],
    ids=[
        "nothing",
        "one byte more",
        "a key twice",
        "a key and value twice",
        "a list that holds itself",
        "regular expression",
        "big number",
        "set",
        "unknown tag",
        "17 levels",
        "100,000 levels",
        "a list of 2^63",
        "a byte string of 2^63",
        "not UTF-8",
        "break alone",
    ],
)
def test_refuses_what_has_a_second_meaning_or_grows(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        cbor.loads(data)
    assert refusal.value.code == code


def test_sixteen_levels_are_allowed() -> None:
    assert cbor.loads(b"\x81" * 16 + b"\x00")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = cbor.loads(data)
        cbor.plain(value)
    except Refused:
        return


@given(values)
def test_what_json_can_write_stays_as_it_is(value: Any) -> None:
    if all(math.isfinite(number) for number in _numbers(value)):
        assert cbor.plain(value) == value


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        [float("inf")],
        {1: "a"},
        {"a": b""},
        cbor.CBORTag(18, 1),
        {"a": [{"b": cbor.CBORTag(61, 1)}]},
    ],
    ids=["NaN", "infinite", "a number for a name", "bytes", "tag", "tag inside"],
)
def test_content_that_json_cannot_write_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        cbor.plain(value)


def test_undefined_becomes_null() -> None:
    assert cbor.plain(cbor.loads(bytes.fromhex("a16174f7"))) == {"t": None}


def _numbers(value: Any) -> list[float]:
    match value:
        case dict():
            return [number for item in value.values() for number in _numbers(item)]
        case list():
            return [number for item in value for number in _numbers(item)]
        case float():
            return [value]
        case _:
            return []
