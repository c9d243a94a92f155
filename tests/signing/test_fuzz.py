"""No text makes the verifier raise, hang or take memory, and nothing is accepted that was not signed.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification

A short run with the others; ten minutes by name: `pytest -m long -o faulthandler_timeout=0`.
"""

import json
import time
import tracemalloc
import zlib
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from fhir_server import wire
from fhir_server.certificates.report import report
from signing import base45, cose, deflate, hc1, jwk, jws, lists, revocation, rules, shc, vdsnc
from signing.refusal import Refused
from signing.revocation import Revoked
from signing.rules import Rulebook
from signing.trust import TrustList
from signing.verify import LONGEST, verify
from tests.signing.conftest import NOW, PAYLOAD, certified, p256
from tests.signing.test_shc import BUNDLE, ISSUER
from tests.signing.test_vdsnc import MESSAGE

KEY = certified(p256())
TRUST = TrustList([KEY.signer])
GOOD = (
    hc1.issue(PAYLOAD, KEY, NOW).text,
    shc.issue(BUNDLE, KEY, NOW, ISSUER).jws,
    shc.issue(BUNDLE, KEY, NOW, ISSUER).qr,
    shc.file([shc.issue(BUNDLE, KEY, NOW, ISSUER).jws]),
    vdsnc.issue(MESSAGE, KEY, NOW, "VNM"),
)
BOUND = 4 * 1024 * 1024  # bytes at once for one certificate, whatever it says
SECONDS = 5  # far above what one certificate takes, far below a hang
MINUTES = 10


def judged(text: str | bytes) -> bool:
    """Return whether `text` is valid; fail when verifying or reporting it raises, or takes far too long."""
    began = time.process_time()
    found = verify(text, TRUST, NOW, revoked=Revoked([bytes(16)]), rulebook=Rulebook((), {}, "VN"))
    wire.dumps(report(found))
    assert time.process_time() - began < SECONDS
    return found.valid


def seal(content: bytes) -> str:
    return hc1.PREFIX + base45.encode(zlib.compress(content))


MESSAGE_BYTES = zlib.decompress(base45.decode(hc1.unprefix(GOOD[0])))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(-300, 9) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=25,
)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=25,
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a good certificate with some characters changed, cut out, doubled or put elsewhere."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        to = draw(st.integers(at, min(len(text), at + 40)))
        put = draw(st.sampled_from(["", text[at:to] * 2]) | st.text(max_size=5))
        text = text[:at] + put + text[to:]
    return text


@st.composite
def repacked(draw: st.DrawFn) -> str:
    """Return the bytes of a good COSE message, some of them changed, neatly packed."""
    content = bytearray(MESSAGE_BYTES)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return seal(bytes(content))


unsigned = st.one_of(
    st.text(),
    st.text(max_size=80).map("HC1:".__add__),
    st.text(st.sampled_from(base45.ALPHABET), max_size=300).map("HC1:".__add__),
    st.text(st.sampled_from("0123456789/"), max_size=300).map("shc:/".__add__),
    st.binary(max_size=400).map(seal),
    st.builds(lambda a, b, c, d: seal(cbor2.dumps([cbor2.dumps(a), b, cbor2.dumps(c), d])), plain, plain, plain, plain),
    st.builds(
        lambda header, content, signature: ".".join(map(jwk.base64url, (header, deflate.raw(content), signature))),
        json_like.map(json.dumps).map(str.encode) | st.just(b'{"alg":"ES256","zip":"DEF","kid":"a"}'),
        json_like.map(json.dumps).map(str.encode),
        st.binary(max_size=70),
    ),
    json_like.map(json.dumps),
    st.builds(
        lambda header, message, sig: json.dumps({"data": {"hdr": header, "msg": message}, "sig": sig}),
        st.dictionaries(st.text(max_size=3), json_like, max_size=3),
        st.dictionaries(st.text(max_size=5), json_like, max_size=3),
        st.fixed_dictionaries({"sigvl": st.text(), "alg": json_like, "cer": json_like}),
    ),
    repacked(),
    mutated(),
)


def unaccepted(text: str) -> None:
    assume(text not in GOOD)
    if judged(text):
        # Only what says the same in other words may be valid: white space, the order of members, other packing.
        assert verify(text, TRUST, NOW).content in (PAYLOAD, BUNDLE, MESSAGE)


@given(unsigned)
@example("HC1:" + "A" * LONGEST)
@example("shc:/" + "5" * 100_000)
@example("{" * 100_000)
@example('{"verifiableCredential":[' + '"eyJ.a.b",' * 9000 + '""]}')
@example(seal(b"\xd8\x1c\x81\xd8\x1d\x00"))
@example(seal(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"))
@example(seal(bytes(65_536)))
def test_nothing_is_accepted_that_was_not_signed(text: str) -> None:
    unaccepted(text)


@given(plain, plain)
def test_whatever_is_signed_is_told(claims: Any, content: Any) -> None:
    for signed in (claims, {4: int(NOW.timestamp()) + 60, 6: int(NOW.timestamp()), -260: {1: content}}):
        judged(seal(cose.sign(KEY, cbor2.dumps(signed))))


@given(json_like, json_like)
def test_whatever_a_signed_card_or_seal_says_is_told(claims: Any, bundle: Any) -> None:
    header = {"zip": "DEF", "kid": jwk.thumbprint(KEY.signer.public_key)}
    vc = {
        "type": [shc.HEALTH_CARD],
        "credentialSubject": {"fhirBundle": {"resourceType": "Bundle", "entry": bundle}},
        "rid": bundle,
    }
    for said in (claims, {"iss": ISSUER, "nbf": claims, "vc": vc}):
        judged(jws.sign(header, deflate.raw(json.dumps(said).encode()), KEY))


@pytest.mark.parametrize(
    "text",
    [
        seal(b"\x81" * 60_000),
        seal(b"\xbf" * 60_000),
        seal(b"\x9b\x00\x00\x00\x00\x7f\xff\xff\xff"),
        seal(b"\x5b\x00\x00\x00\x00\x7f\xff\xff\xff"),
        seal(bytes(64 * 1024)),
        hc1.PREFIX + base45.encode(zlib.compress(bytes(8_000_000), 9)),
        jws.sign({"zip": "DEF"}, deflate.raw(bytes(8_000_000)), KEY),
        jws.sign({"zip": "DEF"}, deflate.raw(b"[" * 60_000), KEY),
        '{"data":{"hdr":{},"msg":{"a":' + "[" * 9000 + "]" * 9000 + '}},"sig":{"sigvl":""}}',
        '{"data":{"hdr":{},"msg":{"a":' + "9" * 4000 + '}},"sig":{"sigvl":""}}',
    ],
    ids=[
        "deep lists",
        "deep maps",
        "long list",
        "long bytes",
        "zeros",
        "bomb",
        "card bomb",
        "deep card",
        "deep seal",
        "long number",
    ],
)
def test_no_certificate_takes_more_than_a_little_memory(text: str) -> None:
    tracemalloc.start()
    try:
        assert not judged(text[:LONGEST])
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300) | json_like.map(json.dumps).map(str.encode))
def test_lists_of_any_kind_are_read_or_refused(content: bytes) -> None:
    for read in (lists.parse, revocation.parse, lambda text: rules.parse([json.loads(text)])):
        try:
            read(content)
        except (Refused, ValueError):
            continue


@pytest.mark.long
def test_ten_minutes_of_it() -> None:
    deadline = time.monotonic() + 60 * MINUTES
    unhurried = settings(
        max_examples=2000,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    laws = [
        unhurried(law)
        for law in (
            given(unsigned)(unaccepted),
            test_whatever_is_signed_is_told,
            test_whatever_a_signed_card_or_seal_says_is_told,
            test_lists_of_any_kind_are_read_or_refused,
        )
    ]
    while time.monotonic() < deadline:
        for law in laws:
            law()
