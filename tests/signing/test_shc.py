"""https://spec.smarthealth.cards/ — its four examples in all their forms, and what must be refused"""

import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from signing import deflate, jwk, jws, lists, qr, reading, revocation, shc, svg
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.trust import CardKey, TrustList
from signing.verification import Verification
from signing.verify import verify
from tests.signing.conftest import NOW, certified, p256

EXAMPLES = Path(__file__).parents[2] / "../shared/certificates/shc/spec-examples"
ORIGIN = "https://spec.smarthealth.cards/examples/issuer"
THEN = datetime(2023, 6, 22, 17, tzinfo=UTC)
REVOKED = 3  # the number of the example that is
published = pytest.mark.skipif(not EXAMPLES.exists(), reason=f"no examples in {EXAMPLES}")

BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"fullUrl": "resource:0", "resource": {"resourceType": "Patient", "name": [{"family": "Nguyễn"}]}},
        {"fullUrl": "resource:1", "resource": {"resourceType": "Immunization", "status": "completed"}},
    ],
}
ISSUER = "https://tiemchung.example.vn/shc"


def example(number: int, form: str) -> list[str]:
    return [file.read_text("utf-8").strip() for file in sorted(EXAMPLES.glob(f"example-0{number}-{form}*"))]


def codes_of(picture: str) -> tuple[str, ...]:
    """Return the codes in an SVG picture."""
    return qr.in_image(svg.drawn(picture))


FORMS: dict[str, Callable[[int], tuple[str, ...]]] = {
    "JWS": lambda number: tuple(example(number, "d")),
    "file": lambda number: reading.certificates(example(number, "e")[0].encode()),
    "QR code": lambda number: reading.certificates("\n".join(example(number, "f")).encode()),
    "chunks in another order": lambda number: (" ".join(reversed(example(number, "f"))),),
    "SVG": lambda number: (" ".join(code for text in example(number, "g") for code in codes_of(text)),),
    "picture": lambda number: qr.read(qr.png(shc.numeric(example(number, "d")[0]))),
}


def trusted() -> TrustList:
    return lists.load(EXAMPLES / "issuer/.well-known/jwks.json", origin=ORIGIN)


def codes(found: Verification) -> dict[str, str]:
    return {stage.stage: stage.code for stage in found.stages if stage.ok is False}


IN_ONE_CODE = (0, 1, 3)  # the other one takes three, which are read but no longer written


@published
@pytest.mark.parametrize(
    ("form", "number"), [(form, n) for form in FORMS for n in range(4) if form != "picture" or n in IN_ONE_CODE]
)
def test_the_examples_verify_in_every_form(form: str, number: int) -> None:
    [text] = FORMS[form](number)
    found = verify(text, trusted(), THEN)
    assert (found.valid, found.trusted, found.issuer, found.format) == (True, True, ORIGIN, "shc")
    assert found.content == json.loads(example(number, "b")[0])["vc"]["credentialSubject"]["fhirBundle"]


@published
@pytest.mark.parametrize("number", range(4))
def test_only_the_revoked_example_is_refused(number: int) -> None:
    revoked = revocation.load(EXAMPLES / "issuer/.well-known/crl")
    found = verify(example(number, "d")[0], trusted(), THEN, revoked=revoked)
    assert codes(found) == ({"revocation": "revoked"} if number == REVOKED else {})


@published
def test_a_card_of_another_origin_than_its_key_is_refused() -> None:
    trust = lists.load(EXAMPLES / "issuer/.well-known/jwks.json", origin="https://elsewhere.example")
    assert codes(verify(example(0, "d")[0], trust, THEN)) == {"key": "wrong-origin"}


@published
def test_a_key_of_unknown_origin_is_told() -> None:
    trust = lists.load(EXAMPLES / "issuer/.well-known/jwks.json")
    found = verify(example(0, "d")[0], trust, THEN)
    assert found.valid
    assert "origin-not-pinned" in [stage.code for stage in found.stages]


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return certified(p256())


@pytest.fixture(scope="module")
def trust(key: SigningKey) -> TrustList:
    return TrustList((), cards=[CardKey(jwk.thumbprint(key.signer.public_key), key.signer.public_key, ISSUER)])


def card(key: SigningKey, **changed: Any) -> str:
    """Return a card signed by hand; `header`, `claims` and `pack` replace parts of it."""
    header = {"zip": "DEF", "kid": jwk.thumbprint(key.signer.public_key)}
    subject = {"fhirVersion": "4.0.1", "fhirBundle": BUNDLE}
    claims = {
        "iss": ISSUER,
        "nbf": int(NOW.timestamp()),
        "vc": {"type": [shc.HEALTH_CARD], "credentialSubject": subject},
    }
    header |= changed.get("header", {})
    claims |= changed.get("claims", {})
    content = changed.get("pack", deflate.raw)(jws.minified({n: v for n, v in claims.items() if v is not None}))
    return jws.sign({name: value for name, value in header.items() if value is not None}, content, key)


def as_der(text: str) -> str:
    signed, _, signature = text.rpartition(".")
    raw = jwk.unbase64url(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    return f"{signed}.{jwk.base64url(encode_dss_signature(r, s))}"


def test_what_is_issued_is_valid(key: SigningKey, trust: TrustList) -> None:
    issued = shc.issue(BUNDLE, key, NOW, ISSUER, rid="abc", expires=NOW + timedelta(days=1))
    for text in (issued.jws, issued.qr, shc.file([issued.jws])):
        found = verify(text, trust, NOW)
        assert (found.valid, found.content, found.issued) == (True, BUNDLE, NOW)
    assert codes(verify(issued.qr, trust, NOW + timedelta(days=2))) == {"claims": "expired"}


TRAPS: dict[str, tuple[Callable[[SigningKey], str], str, str]] = {
    "DER instead of r and s": (lambda key: as_der(card(key)), "signature", "signature-length"),
    "no zip": (lambda key: card(key, header={"zip": None}, pack=bytes), "inflate", "zip-missing"),
    "another zip": (lambda key: card(key, header={"zip": "GZIP"}), "inflate", "zip-unknown"),
    "not deflated": (lambda key: card(key, pack=bytes), "inflate", "not-deflate"),
    "with the header of zlib": (lambda key: card(key, pack=zlib.compress), "inflate", "not-deflate"),
    "a bomb": (lambda key: card(key, pack=lambda _: deflate.raw(bytes(70_000))), "inflate", "inflated-too-long"),
    "bytes after it": (lambda key: card(key, pack=lambda c: deflate.raw(c) + b"\0"), "inflate", "deflate-trailing"),
    "a byte order mark": (
        lambda key: card(key, pack=lambda content: deflate.raw(b"\xef\xbb\xbf" + content)),
        "cbor",
        "not-json",
    ),
    "NaN": (lambda key: card(key, pack=lambda _: deflate.raw(b'{"nbf":NaN}')), "cbor", "not-json"),
    "a member twice": (lambda key: card(key, pack=lambda _: deflate.raw(b'{"a":1,"a":2}')), "cbor", "not-json"),
    "half a character": (lambda key: card(key, pack=lambda _: deflate.raw(b'{"a":"\\ud800"}')), "cbor", "not-json"),
    "deep": (
        lambda key: card(key, pack=lambda _: deflate.raw(b'{"a":' + b"[" * 99 + b"]" * 99 + b"}")),
        "cbor",
        "not-json",
    ),
    "a list": (lambda key: card(key, pack=lambda _: deflate.raw(b"[]")), "cbor", "not-json"),
    "no algorithm": (lambda key: card(key, header={"alg": ""}), "algorithm", "unsupported-algorithm"),
    "algorithm none": (lambda key: card(key, header={"alg": "none"}), "algorithm", "unsupported-algorithm"),
    "HMAC": (lambda key: card(key, header={"alg": "HS256"}), "algorithm", "unsupported-algorithm"),
    "algorithm is a list": (lambda key: card(key, header={"alg": ["ES256"]}), "algorithm", "unsupported-algorithm"),
    "no kid": (lambda key: card(key, header={"kid": None}), "key", "kid-missing"),
    "kid of another": (lambda key: card(key, header={"kid": "x" * 43}), "key", "unknown-signer"),
    "critical header": (lambda key: card(key, header={"crit": ["b64"]}), "base45", "critical-header"),
    "another issuer": (lambda key: card(key, claims={"iss": "https://elsewhere.vn"}), "key", "wrong-origin"),
    "slash at the end": (lambda key: card(key, claims={"iss": ISSUER + "/"}), "claims", "issuer-url"),
    "http": (lambda key: card(key, claims={"iss": ISSUER.replace("https", "http")}), "claims", "issuer-url"),
    "milliseconds": (lambda key: card(key, claims={"nbf": 1_795_305_600_000}), "claims", "claims-not-a-time"),
    "no time": (lambda key: card(key, claims={"nbf": None}), "claims", "claims-missing"),
    "time as text": (lambda key: card(key, claims={"nbf": "2026"}), "claims", "claims-missing"),
    "expired": (lambda key: card(key, claims={"exp": 1}), "claims", "expired"),
    "expires is text": (lambda key: card(key, claims={"exp": "never"}), "claims", "claims-missing"),
    "not a health card": (lambda key: card(key, claims={"vc": {"type": ["x"]}}), "content", "no-certificate"),
    "no credential": (lambda key: card(key, claims={"vc": None}), "content", "no-certificate"),
    "altered": (lambda key: card(key)[:-8] + "AAAAAAAA", "signature", "bad-signature"),
    "four parts": (lambda key: card(key) + ".", "base45", "not-jws"),
    "padding": (lambda key: card(key) + "=", "base45", "not-base64url"),
    "a line break inside": (lambda key: card(key)[:50] + "\n" + card(key)[50:], "base45", "not-base64url"),
    "odd digits": (lambda key: shc.numeric(card(key))[:-1], "base45", "numeric-odd"),
    "a pair beyond z": (lambda key: "shc:/99", "base45", "numeric-pair"),
    "letters": (lambda key: "shc:/ab", "base45", "not-numeric"),
    "other digits": (lambda key: "shc:/٣٣", "base45", "not-numeric"),
    "one chunk of two": (lambda key: "shc:/1/2/56", "base45", "chunk-missing"),
    "chunk 3 of 2": (lambda key: "shc:/3/2/56", "base45", "chunks"),
    "chunks of two cards": (lambda key: "shc:/1/2/56 shc:/2/3/56", "base45", "chunks"),
    "one chunk in two versions": (lambda key: "shc:/1/2/56 shc:/1/2/57", "base45", "chunks"),
    "an empty file": (lambda key: '{"verifiableCredential":[]}', "base45", "not-health-card-file"),
    "a file of numbers": (lambda key: '{"verifiableCredential":[1]}', "base45", "not-health-card-file"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_are_refused_for_the_right_reason(trap: str, key: SigningKey, trust: TrustList) -> None:
    make, stage, code = TRAPS[trap]
    found = verify(make(key), trust, NOW)
    assert (found.valid, codes(found).get(stage)) == (False, code)


def test_a_key_of_a_certificate_is_trusted_by_its_thumbprint(key: SigningKey) -> None:
    found = verify(shc.issue(BUNDLE, key, NOW, ISSUER).jws, TrustList([key.signer]), NOW)
    assert (found.valid, found.signer) == (True, key.signer)
    later = verify(shc.issue(BUNDLE, key, NOW, ISSUER).jws, TrustList([key.signer]), NOW + timedelta(days=900))
    assert codes(later) == {"signer-validity": "signer-expired"}


@pytest.mark.parametrize(
    ("list_version", "listed", "code"),
    [(None, None, "list-missing"), (2, 1, "list-outdated"), (1, 1, "ok"), (None, 0, "ok")],
    ids=["no list", "an older list", "the list", "no version"],
)
def test_a_revocation_list_that_is_missing_or_old_is_told(
    key: SigningKey, list_version: int | None, listed: int | None, code: str
) -> None:
    kid = jwk.thumbprint(key.signer.public_key)
    trust = TrustList((), cards=[CardKey(kid, key.signer.public_key, ISSUER, list_version)])
    revoked = revocation.Revoked((), {} if listed is None else {kid: revocation.card_list(["other"], listed)})
    found = verify(shc.issue(BUNDLE, key, NOW, ISSUER, rid="abc").jws, trust, NOW, revoked=revoked)
    assert found.valid
    assert next(stage.code for stage in found.stages if stage.stage == "revocation") == code


@pytest.mark.parametrize("entry", ["abc", f"abc.{int(NOW.timestamp()) + 1}"], ids=["of any age", "from before"])
def test_a_revoked_card_is_refused_until_a_newer_one_comes(entry: str, key: SigningKey, trust: TrustList) -> None:
    kid = jwk.thumbprint(key.signer.public_key)
    revoked = revocation.parse(json.dumps({"kid": kid, "method": "rid", "ctr": 1, "rids": [entry]}).encode())
    assert codes(verify(shc.issue(BUNDLE, key, NOW, ISSUER, rid="abc").jws, trust, NOW, revoked=revoked))
    newer = shc.issue(BUNDLE, key, NOW + timedelta(seconds=2), ISSUER, rid="abc").jws
    assert verify(newer, trust, NOW, revoked=revoked).valid is ("." in entry)


@pytest.mark.parametrize(
    "arguments",
    [{"issuer": "http://a"}, {"issuer": "https://a/"}, {"rid": ""}, {"rid": "a" * 25}, {"rid": "ế"}],
    ids=str,
)
def test_what_no_card_may_say_is_not_issued(arguments: dict[str, str], key: SigningKey) -> None:
    with pytest.raises(Refused):
        shc.issue(BUNDLE, key, NOW, **({"issuer": ISSUER} | arguments))


def test_other_keys_sign_no_cards(ps256: SigningKey, key: SigningKey) -> None:
    with pytest.raises(Refused, match="key-type"):
        shc.issue(BUNDLE, ps256, NOW, ISSUER)
    with pytest.raises(Refused, match="signer-not-valid"):
        shc.issue(BUNDLE, key, NOW + timedelta(days=900), ISSUER)


def test_a_revocation_identifier_tells_nobody_whose_it_is() -> None:
    made = {shc.revocation_identifier(secret, kid, "person") for secret in (b"1", b"2") for kid in ("a", "b")}
    assert len(made) == 4
    assert all(len(rid) == 11 for rid in made)


@given(st.text(st.sampled_from("-.0123456789=ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"), max_size=99))
def test_the_digits_of_a_code_are_read_back(text: str) -> None:
    assert shc.unnumeric([shc.numeric(text)]) == text


@given(st.integers(0), st.integers(1, 255))
def test_every_altered_byte_is_noticed(place: int, change: int) -> None:
    parts = [bytearray(jwk.unbase64url(part)) for part in _CARD.split(".")]
    altered = parts[place % 3]
    altered[place // 3 % len(altered)] ^= change
    assert not verify(".".join(jwk.base64url(bytes(part)) for part in parts), _TRUST, NOW).valid


_KEY = certified(p256())
_CARD = shc.issue(BUNDLE, _KEY, NOW, ISSUER).jws
_TRUST = TrustList([_KEY.signer])
assert verify(_CARD, _TRUST, NOW).valid
