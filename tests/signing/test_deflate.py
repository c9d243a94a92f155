"""https://www.rfc-editor.org/rfc/rfc1950"""

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.deflate import LIMIT, compress, inflate, inflate_raw, raw
from signing.refusal import Refused


@given(st.binary(max_size=2000), st.integers(0, 9))
def test_returns_what_was_compressed_at_any_level(data: bytes, level: int) -> None:
    assert inflate(zlib.compress(data, level)) == data


@given(st.binary(max_size=200), st.integers(1, 100))
def test_what_is_compressed_is_what_zlib_makes_of_it_by_itself(part: bytes, times: int) -> None:
    data = part * times
    packed = compress(data)
    assert inflate(packed) == inflate_raw(raw(data)) == data
    assert packed[2:] == raw(data) + zlib.compress(data, 9)[-4:]
    assert packed[:2] == zlib.compress(data, 9)[:2]
    assert len(packed) <= len(zlib.compress(data, 9)) + (len(data) >> 8)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "zlib-truncated"),
        (b"no zlib", "not-zlib"),
        (zlib.compress(b"certificate")[:-1], "zlib-truncated"),
        (zlib.compress(b"certificate") + b"\0", "zlib-trailing"),
        (zlib.compress(bytes(LIMIT + 1)), "inflated-too-long"),
        (zlib.compress(b"certificate")[:-1] + b"\0", "not-zlib"),
    ],
    ids=["nothing", "something else", "cut short", "one byte more", "over the limit", "wrong checksum"],
)
def test_refuses_what_is_not_one_whole_short_stream(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        inflate(data)
    assert refusal.value.code == code


def test_the_limit_itself_is_allowed() -> None:
    assert inflate(zlib.compress(bytes(LIMIT))) == bytes(LIMIT)


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    bomb = zlib.compress(bytes(200_000_000))
    tracemalloc.start()
    with pytest.raises(Refused):
        inflate(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LIMIT + len(bomb)


@given(st.binary(max_size=200))
def test_any_bytes_are_inflated_or_refused(data: bytes) -> None:
    try:
        inflate(data)
    except Refused:
        return
