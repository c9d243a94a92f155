"""https://www.rfc-editor.org/rfc/rfc9285"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signing import base45
from signing.refusal import Refused


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")],
    ids=["nothing", "RFC example 1", "RFC example 2", "RFC example 3", "RFC decoding example"],
)
def test_writes_and_reads_the_examples_of_the_rfc(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data


def test_every_pair_of_bytes_has_its_three_characters() -> None:
    alphabet = base45.ALPHABET
    data = b"".join(number.to_bytes(2, "big") for number in range(65536))
    plain = "".join(alphabet[n % 45] + alphabet[n // 45 % 45] + alphabet[n // 2025] for n in range(65536))
    assert base45.encode(data) == plain
    assert base45.decode(plain) == data


@given(st.binary(max_size=400))
def test_what_is_written_is_read_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(st.text(alphabet=base45.ALPHABET, max_size=40) | st.text(max_size=8))
@example("0")
@example("GGW")
@example(":::")
@example("::")
@example("BB8\n")
@example("bb8")
@example(" BB8")
@example("Ł")
def test_a_text_is_refused_or_is_what_encode_writes(text: str) -> None:
    try:
        data = base45.decode(text)
    except Refused:
        return
    assert base45.encode(data) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", "base45-length"),
        ("BB8A", "base45-length"),
        ("GGW", "base45-value"),
        ("6A:::", "base45-value"),
        ("V5", "base45-value"),
        ("BB8\n", "base45-character"),
        ("bb8", "base45-character"),
        ("BB8\u20ac", "base45-character"),
        ("BB\xff", "base45-character"),
    ],
    ids=[
        "one character",
        "one character left over",
        "65,536",
        "second triplet too large",
        "256 in two characters",
        "line feed",
        "small letters",
        "beyond Latin-1",
        "beyond ASCII",
    ],
)
def test_refuses_what_encode_cannot_write(text: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        base45.decode(text)
    assert refusal.value.code == code
