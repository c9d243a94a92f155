"""https://www.rfc-editor.org/rfc/rfc9053#section-2.1: r and s side by side, where X.509 has a SEQUENCE of INTEGERs"""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from signing import algorithms

NUMBERS = st.integers(0, 2**256 - 1) | st.integers(0, 300) | st.integers(2**247, 2**248)


@given(NUMBERS, NUMBERS)
@example(0, 0)
@example(1, 2**255)
@example(2**255 - 1, 127)
@example(128, 2**256 - 1)
def test_both_forms_of_a_signature_are_those_of_the_library(r: int, s: int) -> None:
    pair, der = r.to_bytes(32, "big") + s.to_bytes(32, "big"), encode_dss_signature(r, s)
    assert algorithms._der(pair) == der
    assert algorithms._fixed(der) == pair
    assert decode_dss_signature(algorithms._der(pair)) == (r, s)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda signature: signature[1:], id="a byte too few"),
        pytest.param(lambda signature: b"\0" + signature, id="a byte too many"),
        pytest.param(lambda signature: bytes(32) + signature[32:], id="r is nothing"),
        pytest.param(lambda signature: signature[:32] + bytes(32), id="s is nothing"),
        pytest.param(lambda signature: b"\xff" * 64, id="beyond the curve"),
        pytest.param(lambda signature: signature[32:] + signature[:32], id="the halves exchanged"),
        pytest.param(lambda signature: encode_dss_signature(*_halves(signature)), id="the form of X.509"),
    ],
)
def test_another_signature_is_refused(change: Callable[[bytes], bytes]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signature = algorithms.sign(key, b"a dose")
    assert algorithms.verifies(key.public_key(), signature, b"a dose")
    assert not algorithms.verifies(key.public_key(), change(signature), b"a dose")
    assert not algorithms.verifies(key.public_key(), signature, b"another dose")


def _halves(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
