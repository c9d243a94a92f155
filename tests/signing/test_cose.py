"""https://www.rfc-editor.org/rfc/rfc9052#section-4.2"""

from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import given
from hypothesis import strategies as st

from signing import cose
from signing.algorithms import ES256, PS256
from signing.keys import SigningKey
from signing.refusal import Refused

PAYLOAD = b"payload"


@pytest.mark.parametrize("name", ["es256", "ps256"])
@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65535, 65536])
def test_what_is_signed_verifies_and_is_canonical_cbor(name: str, size: int, request: pytest.FixtureRequest) -> None:
    key: SigningKey = request.getfixturevalue(name)
    message = cose.sign(key, bytes(size))
    assert cbor2.dumps(cbor2.loads(message)) == message
    read = cose.parse(message)
    assert (read.algorithm, read.kid, read.payload) == (key.algorithm, key.kid, bytes(size))
    assert cose.verifies(read, key.signer.public_key)


def test_the_signature_covers_header_and_payload(es256: SigningKey) -> None:
    message = cose.parse(cose.sign(es256, PAYLOAD))
    key = es256.signer.public_key
    assert not cose.verifies(message._replace(payload=b"Payload"), key)
    assert not cose.verifies(message._replace(protected=cbor2.dumps({1: ES256})), key)
    assert not cose.verifies(message._replace(signature=message.signature[:63]), key)
    assert not cose.verifies(message._replace(signature=bytes(64)), key)


@pytest.mark.parametrize(
    "wrap",
    [lambda m: m, lambda m: CBORTag(18, m), lambda m: CBORTag(61, CBORTag(18, m)), lambda m: CBORTag(61, m)],
    ids=["no tag", "18", "61 and 18", "61"],
)
def test_accepts_the_tags_that_real_certificates_have(wrap: Any, es256: SigningKey) -> None:
    parts = cbor2.loads(cose.sign(es256, PAYLOAD)).value
    message = cose.parse(cbor2.dumps(wrap(parts)))
    assert cose.verifies(message, es256.signer.public_key)


def test_a_tagged_message_stays_readable_where_the_signature_starts(es256: SigningKey) -> None:
    assert cose.sign(es256, PAYLOAD).startswith(b"\xd2\x84")


@pytest.mark.parametrize(
    ("protected", "unprotected", "kid", "algorithm"),
    [
        ({1: ES256, 4: b"p"}, {}, b"p", ES256),
        ({1: ES256}, {4: b"u"}, b"u", ES256),
        ({1: ES256, 4: b"p"}, {4: b"u"}, b"p", ES256),
        ({1: ES256}, {1: PS256}, None, ES256),
        (None, {1: PS256, 4: b"u"}, b"u", PS256),
        ({}, {1: ES256}, None, ES256),
        ({1: ES256, 4: "text"}, {4: b"u"}, b"u", ES256),
    ],
    ids=[
        "both protected",
        "kid unprotected",
        "two kids",
        "two algorithms",
        "nothing protected",
        "empty map protected",
        "kid that is text",
    ],
)
def test_the_protected_header_wins(
    protected: dict[int, Any] | None, unprotected: dict[int, Any], kid: bytes | None, algorithm: int
) -> None:
    header = b"" if protected is None else cbor2.dumps(protected)
    message = cose.parse(cbor2.dumps([header, unprotected, PAYLOAD, bytes(64)]))
    assert (message.kid, message.algorithm) == (kid, algorithm)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1, "not-cose-sign1"),
        ([b"", {}, b""], "not-cose-sign1"),
        ([b"", {}, b"", b"", b""], "not-cose-sign1"),
        ([b"", {}, None, b""], "not-cose-sign1"),
        ([b"", [], b"", b""], "not-cose-sign1"),
        ([b"\x01", {}, b"", b""], "not-cose-sign1"),
        ([b"\xa1", {}, b"", b""], "not-cbor"),
        ([cbor2.dumps({1: ES256, 2: [99]}), {}, b"", b""], "critical-header"),
        (CBORTag(18, CBORTag(61, [b"", {}, b"", b""])), "not-cose-sign1"),
        (CBORTag(18, CBORTag(18, [b"", {}, b"", b""])), "not-cose-sign1"),
    ],
    ids=[
        "number",
        "three parts",
        "five parts",
        "payload elsewhere",
        "header is a list",
        "protected header is a number",
        "protected header is cut short",
        "critical header",
        "tags the wrong way round",
        "tag twice",
    ],
)
def test_refuses_what_is_no_cose_sign1(value: Any, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        cose.parse(cbor2.dumps(value))
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "algorithm", [None, -35, -257, 5, True, "-7", -7.0, b"ES256"], ids=lambda value: f"{type(value).__name__} {value}"
)
def test_only_two_algorithms_are_accepted(algorithm: Any) -> None:
    with pytest.raises(Refused, match="unsupported-algorithm"):
        cose.pinned(algorithm)


@given(st.binary(max_size=80))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        cose.parse(data)
    except Refused:
        return
