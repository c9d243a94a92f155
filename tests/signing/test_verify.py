"""https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from signing import base45, cose, cwt, hc1
from signing.algorithms import ES256, PS256, PrivateKey
from signing.keys import SigningKey
from signing.trust import TrustList, document_signer
from signing.verify import LONGEST, STAGES, Verification, verify
from tests.signing.conftest import NOW, PAYLOAD, certified, p256, self_signed

DAY = timedelta(days=1)
SECONDS = int(NOW.timestamp())


def seal(content: bytes) -> str:
    """Return CBOR bytes as they would stand in a QR code."""
    return hc1.PREFIX + base45.encode(zlib.compress(content))


def claim(key: SigningKey, claims: Any) -> str:
    """Return a certificate with any claims, correctly signed."""
    return seal(cose.sign(key, cbor2.dumps(claims)))


def codes(verification: Verification) -> dict[str, str]:
    """Return the code of every stage that did not simply pass."""
    return {stage.stage: stage.code for stage in verification.stages if stage.code not in ("ok", "not-checked")}


@pytest.mark.parametrize(("name", "algorithm"), [("es256", "ES256"), ("ps256", "PS256")])
def test_a_certificate_is_valid_and_says_what_was_signed(
    name: str, algorithm: str, trust: TrustList, request: pytest.FixtureRequest
) -> None:
    key: SigningKey = request.getfixturevalue(name)
    issued = hc1.issue(PAYLOAD, key, NOW)
    found = verify(issued.text, trust, NOW)
    assert (found.valid, found.trusted, found.content, found.failure) == (True, True, PAYLOAD, None)
    assert (found.issuer, found.issued, found.expires) == ("VN", NOW, issued.expires)
    assert (found.algorithm, found.signer) == (algorithm, key.signer)
    assert [stage.stage for stage in found.stages] == list(STAGES)


def test_bytes_are_read_like_text(certificate: str, trust: TrustList) -> None:
    assert verify(certificate.encode(), trust, NOW) == verify(certificate, trust, NOW)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (NOW, {}),
        (NOW - timedelta(minutes=4), {}),
        (NOW - timedelta(minutes=6), {"claims": "issued-in-future"}),
        (NOW.replace(year=2027), {}),
        (NOW.replace(year=2027) + timedelta(seconds=1), {"claims": "expired"}),
        (NOW - 6 * DAY, {"claims": "issued-in-future", "signer-validity": "signer-not-yet-valid"}),
        (NOW + 900 * DAY, {"claims": "expired", "signer-validity": "signer-expired"}),
    ],
    ids=[
        "at once",
        "a clock four minutes behind",
        "a clock six minutes behind",
        "the last second",
        "a second later",
        "before the signer began",
        "after the signer ended",
    ],
)
def test_times_are_judged_and_the_content_is_shown_anyway(
    when: datetime, expected: dict[str, str], certificate: str, trust: TrustList
) -> None:
    found = verify(certificate, trust, when)
    assert codes(found) == expected
    assert found.valid is not bool(expected)
    assert (found.trusted, found.content) == (True, PAYLOAD)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({1: "VN", -260: {1: PAYLOAD}}, {"claims": "claims-missing"}),
        ({4: float("nan"), 6: SECONDS, -260: {1: PAYLOAD}}, {"claims": "claims-not-a-time"}),
        ({4: float("inf"), 6: SECONDS, -260: {1: PAYLOAD}}, {"claims": "claims-not-a-time"}),
        ({4: 2**62, 6: SECONDS, -260: {1: PAYLOAD}}, {"claims": "claims-not-a-time"}),
        ({4: SECONDS + 60.5, 6: SECONDS - 0.5, -260: {1: PAYLOAD}}, {}),
        ({4: -62135596800, 6: -62135596800, -260: {1: PAYLOAD}}, {"claims": "expired"}),
        ({4: SECONDS + 9**9, 6: SECONDS, -260: {1: PAYLOAD}}, {"signer-validity": "outlives-signer"}),
        ({4: SECONDS + 60, 6: SECONDS}, {"content": "no-certificate"}),
        ({4: SECONDS + 60, 6: SECONDS, -260: {-7: {}}}, {"content": "no-certificate"}),
        ({4: SECONDS + 60, 6: SECONDS, -260: {-6: {}}}, {"content": "schema-warning"}),
        ({4: SECONDS + 60, 6: SECONDS, -260: {1: {"ver": b""}}}, {"content": "not-json"}),
        ({4: SECONDS + 60, 6: SECONDS, -260: {1: {"v": PAYLOAD["v"]}}}, {"content": "schema-warning"}),
        (
            {4: SECONDS + 60, 6: SECONDS, -260: {1: PAYLOAD | {"r": PAYLOAD["v"]}}},
            {"key-usage": "wrong-key-usage", "content": "schema-warning"},
        ),
        ({4: SECONDS + 60, 6: SECONDS, -260: {1: {}}}, {"key-usage": "wrong-key-usage", "content": "schema-warning"}),
        ({4: SECONDS + 60, 6: SECONDS, -260: {1: PAYLOAD | {"t": None}}}, {"content": "schema-warning"}),
    ],
    ids=[
        "no times",
        "expires NaN",
        "never expires",
        "a year beyond 9999",
        "fractions",
        "the year 1",
        "outlives its signer",
        "no health certificate",
        "another kind of certificate",
        "an empty vaccination certificate of the WHO",
        "bytes inside",
        "incomplete content",
        "a recovery hidden beside a vaccination",
        "empty content",
        "null group",
    ],
)
def test_claims_are_judged(claims: Any, expected: dict[str, str], es256: SigningKey, trust: TrustList) -> None:
    found = verify(claim(es256, claims), trust, NOW)
    assert codes(found) == expected
    assert found.valid is (set(expected.values()) <= {"schema-warning", "outlives-signer"})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not-cbor"),
        (cbor2.dumps([b"", {}, b""]), "not-cose-sign1"),
        (cbor2.dumps([b"", {}, b"\x01", b""]), "not-cwt"),
        (cbor2.dumps([b"", {}, b"\xa1\x01", b""]), "not-cbor"),
        (cbor2.dumps([b"", {}, b"\xa0", b""]) + b"\0", "cbor-trailing"),
        (cbor2.dumps([b"\xa1\x02\x80", {}, b"\xa0", b""]), "critical-header"),
    ],
    ids=["nothing", "three parts", "claims are a number", "claims cut short", "one byte more", "critical header"],
)
def test_what_is_no_certificate_is_refused_where_it_stops(content: bytes, code: str, trust: TrustList) -> None:
    found = verify(seal(content), trust, NOW)
    assert found.failure is not None
    assert (found.failure.stage, found.failure.code) == ("cbor", code)
    assert {stage.code for stage in found.stages[4:]} == {"not-reached"}
    assert (found.valid, found.trusted, found.content) == (False, False, None)


@pytest.mark.parametrize(
    ("text", "stage", "code"),
    [
        ("", "prefix", "prefix-missing"),
        ("hc1:", "prefix", "prefix-lower-case"),
        (b"\xff", "prefix", "not-text"),
        ("HC1:" + "A" * LONGEST, "prefix", "too-long"),
        ("HC1:", "inflate", "zlib-truncated"),
        ("HC1:ếế", "base45", "base45-character"),
        ("HC1:A", "base45", "base45-length"),
        ("HC1:" + base45.encode(zlib.compress(bytes(70_000))), "inflate", "inflated-too-long"),
        ("HC1:" + base45.encode(b"plain"), "inflate", "not-zlib"),
    ],
    ids=[
        "nothing",
        "small letters",
        "not ASCII",
        "too long",
        "prefix only",
        "Vietnamese",
        "one character",
        "bomb",
        "not compressed",
    ],
)
def test_what_cannot_be_unwrapped_is_refused_where_it_stops(
    text: str | bytes, stage: str, code: str, trust: TrustList
) -> None:
    found = verify(text, trust, NOW)
    assert found.failure is not None
    assert (found.failure.stage, found.failure.code, found.valid) == (stage, code, False)


@pytest.mark.parametrize("end", ["\n", " ", "\r\n"], ids=["line feed", "space", "carriage return"])
def test_nothing_is_trimmed(end: str, certificate: str, trust: TrustList) -> None:
    assert not verify(certificate + end, trust, NOW).valid


def test_an_unknown_signer_is_named(certificate: str, ps256: SigningKey) -> None:
    found = verify(certificate, TrustList([ps256.signer, certified(p256()).signer]), NOW)
    assert codes(found) == {
        "key": "unknown-signer",
        "signature": "not-reached",
        "signer-validity": "not-reached",
        "key-usage": "not-reached",
    }
    assert found.kid is not None
    assert found.kid in str(found.failure)
    assert (found.valid, found.trusted, found.content) == (False, False, PAYLOAD)


def test_a_certificate_signed_by_another_key_is_refused(certificate: str, es256: SigningKey) -> None:
    impostor = document_signer(certified(p256()).signer.certificate, es256.kid)
    found = verify(certificate, TrustList([impostor]), NOW)
    assert codes(found) == {"signature": "bad-signature"}
    assert (found.valid, found.trusted) == (False, False)


def test_signers_that_share_a_key_identifier_are_all_tried(certificate: str, es256: SigningKey) -> None:
    others = [document_signer(certified(p256()).signer.certificate, es256.kid) for _ in range(3)]
    assert verify(certificate, TrustList([*others, es256.signer]), NOW).valid


def test_a_key_of_the_other_type_is_not_tried(certificate: str, es256: SigningKey, ps256: SigningKey) -> None:
    other = document_signer(ps256.signer.certificate, es256.kid)
    assert codes(verify(certificate, TrustList([other]), NOW))["key"] == "key-type-mismatch"


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 1024)],
    ids=["P-384", "RSA 1,024"],
)
@pytest.mark.parametrize("algorithm", [ES256, PS256])
def test_keys_for_no_algorithm_are_never_tried(key: PrivateKey, algorithm: int) -> None:
    weak = TrustList([document_signer(self_signed(key), b"weak")])
    message = cbor2.dumps([cbor2.dumps({1: algorithm, 4: b"weak"}), {}, b"\xa0", bytes(64)])
    assert codes(verify(seal(message), weak, NOW))["key"] == "key-type-mismatch"


@pytest.mark.parametrize(
    ("header", "stage", "code"),
    [
        ({4: b"kid"}, "algorithm", "unsupported-algorithm"),
        ({1: -35, 4: b"kid"}, "algorithm", "unsupported-algorithm"),
        ({1: 5, 4: b"kid"}, "algorithm", "unsupported-algorithm"),
        ({1: ES256}, "key", "kid-missing"),
        ({1: ES256, 4: "kid"}, "key", "kid-missing"),
        ({1: ES256, 4: b""}, "key", "kid-missing"),
    ],
    ids=["no algorithm", "ES384", "HMAC", "no kid", "kid is text", "kid is empty"],
)
def test_headers_are_judged(header: dict[int, Any], stage: str, code: str, trust: TrustList) -> None:
    found = verify(seal(cbor2.dumps([cbor2.dumps(header), {}, b"\xa0", bytes(64)])), trust, NOW)
    assert found.failure is not None
    assert (found.failure.stage, found.failure.code) == (stage, code)


def test_headers_that_are_not_protected_are_read_when_the_protected_one_is_empty(es256: SigningKey) -> None:
    claims = cwt.encode(PAYLOAD, "VN", SECONDS, SECONDS + 60)
    signature = es256.sign(cbor2.dumps(["Signature1", b"", b"", claims]))
    text = seal(cbor2.dumps([b"", {1: ES256, 4: es256.kid}, claims, signature]))
    assert verify(text, TrustList([es256.signer]), NOW).valid


ARC, MISPRINT = "1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1."
FOREIGN = ("1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4", "1.3.6.1.4.1.311.20.2.2")


@pytest.mark.parametrize(
    ("usages", "allowed"),
    [
        ([], "vtr"),
        (FOREIGN, "vtr"),
        ([ARC + "2"], "v"),
        ([MISPRINT + "2"], "v"),
        ([ARC + "1", ARC + "3"], "tr"),
        ([*FOREIGN, MISPRINT + "1"], "t"),
    ],
    ids=["none", "foreign, as Viet Nam's signer has", "vaccination", "misprinted arc", "test and recovery", "mixed"],
)
@pytest.mark.parametrize("kind", ["v", "t", "r"])
def test_a_signer_signs_only_the_kinds_it_is_certified_for(usages: list[str], allowed: str, kind: str) -> None:
    key = certified(p256(), usages)
    payload = {name: value for name, value in PAYLOAD.items() if name != "v"} | {kind: PAYLOAD["v"]}
    found = verify(hc1.issue(payload, key, NOW).text, TrustList([key.signer]), NOW)
    assert codes(found).get("key-usage") == (None if kind in allowed else "wrong-key-usage")
    assert found.valid is (kind in allowed)


@given(st.integers(0), st.integers(1, 255))
def test_every_altered_byte_is_noticed(place: int, change: int) -> None:
    content = bytearray(_MESSAGE)
    content[place % len(content)] ^= change
    assert not verify(seal(bytes(content)), _TRUST, NOW).valid


def test_every_byte_of_the_message_matters() -> None:
    altered = (_MESSAGE[:at] + bytes((_MESSAGE[at] ^ 1,)) + _MESSAGE[at + 1 :] for at in range(len(_MESSAGE)))
    assert not any(verify(seal(content), _TRUST, NOW).valid for content in altered)


@given(st.integers(0), st.sampled_from(base45.ALPHABET))
def test_every_altered_character_is_noticed(place: int, character: str) -> None:
    place %= len(_CERTIFICATE)
    altered = _CERTIFICATE[:place] + character + _CERTIFICATE[place + 1 :]
    assert verify(altered, _TRUST, NOW).valid is (altered == _CERTIFICATE)


@given(st.integers(0))
def test_every_truncated_certificate_is_noticed(length: int) -> None:
    assert not verify(_CERTIFICATE[: length % len(_CERTIFICATE)], _TRUST, NOW).valid


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(-260, 9) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.text() | st.binary())
@example("HC1:")
@example(b"HC1:\x00")
def test_no_text_makes_it_raise(text: str | bytes) -> None:
    assert not verify(text, _TRUST, NOW).valid


@given(st.binary(max_size=300))
def test_no_content_makes_it_raise(content: bytes) -> None:
    assert not verify(seal(content), _TRUST, NOW).valid


@given(anything, anything, anything)
def test_no_structure_makes_it_raise(header: Any, claims: Any, signature: Any) -> None:
    message = [cbor2.dumps(header), header if isinstance(header, dict) else {}, cbor2.dumps(claims), signature]
    assert not verify(seal(cbor2.dumps(message)), _TRUST, NOW).valid


@given(st.fixed_dictionaries({1: anything, 4: anything, 6: anything, -260: st.just({}) | anything}))
def test_no_signed_claims_make_it_raise(claims: dict[int, Any]) -> None:
    found = verify(claim(_KEY, claims), _TRUST, NOW)
    assert not found.valid or isinstance(found.content, dict)


@given(anything)
def test_no_signed_content_makes_it_raise(content: Any) -> None:
    found = verify(claim(_KEY, {4: SECONDS + 60, 6: SECONDS, -260: {1: content}}), _TRUST, NOW)
    assert found.valid is (found.content is not None)


@pytest.mark.parametrize(
    "content",
    [
        b"\xd8\x1c\x81\xd8\x1d\x00",
        b"\x81" * 60_000,
        b"\xbf" * 60_000,
        cbor2.dumps([b"", {}, cbor2.dumps({n: n for n in range(9000)}), b""]),
        cbor2.dumps([b"", {}, b"\x9f" + b"\x80" * 60_000 + b"\xff", b""]),
    ],
    ids=["a list that holds itself", "deep lists", "deep maps", "9,000 claims", "60,000 lists"],
)
def test_hostile_content_is_refused(content: bytes, trust: TrustList) -> None:
    assert not verify(seal(content)[:LONGEST], trust, NOW).valid


_KEY = certified(p256())
_TRUST = TrustList([_KEY.signer])
_MESSAGE = cose.sign(_KEY, cwt.encode(PAYLOAD, "VN", SECONDS, SECONDS + 600))
_CERTIFICATE = seal(_MESSAGE)
assert verify(_CERTIFICATE, _TRUST, datetime.fromtimestamp(SECONDS, UTC)).valid
