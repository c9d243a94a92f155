"""ICAO Technical Report VDS-NC: the page says what `signing.seal` says of whom a listed country vouches for"""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from signing import vdsnc
from signing.jwk import base64url, unbase64url
from signing.keys import SigningKey
from signing.revocation import Revoked, hashes
from signing.trust import TrustList, document_signer
from signing.verify import verify
from tests.signing.conftest import certified, p256
from tests.signing.countries import EMAIL, SEALS, TEST, VACCINATION, Country, Signer
from tests.verifier.test_agreement import NODE, NOW, Case, bundled, disagreements, page

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not here")

MESSAGE = {"uvci": "UT0123", "pid": {"n": "TRAN THI BICH", "dob": "1988-04-02"}, "ve": [{"vd": [{"seq": 1}, 1.5]}]}


@pytest.fixture(scope="module")
def key() -> SigningKey:
    """The key that signs the bundle."""
    return certified(p256())


@cache
def country() -> Country:
    return Country(NOW)


AUTHORITIES: dict[str, Callable[[], Country]] = {
    "P-256": country,
    "P-384": lambda: Country(NOW, "ES384", SHA384()),
    "P-521": lambda: Country(NOW, "ES512", SHA512()),
    "RSA": lambda: Country(NOW, "RSA"),
    "RSA with SHA-512": lambda: Country(NOW, "RSA", SHA512()),
    "RSA-PSS": lambda: Country(NOW, "RSA", SHA256(), PSS(MGF1(SHA256()), 32)),
    "RSA-PSS with SHA-512": lambda: Country(NOW, "RSA", SHA512(), PSS(MGF1(SHA512()), 64)),
}


@pytest.mark.parametrize("kind", AUTHORITIES)
def test_who_was_issued_a_certificate_by_a_listed_authority_signs_seals(kind: str, key: SigningKey) -> None:
    above = AUTHORITIES[kind]()
    listed = TrustList([key.signer], authorities=[country().authority(), above.authority()])
    seals = [
        above.signer(kind=curve).seal(MESSAGE, algorithm)
        for curve, algorithm in (("ES256", "ES256"), ("ES384", "ES384"), ("ES512", "ES512"))
    ]
    assert [verify(seal, listed, NOW).valid for seal in seals] == [True] * 3
    altered = [seal.replace("BICH", "DAO") for seal in seals]
    assert disagreements(bundled(listed), key, [Case((seal,), NOW) for seal in seals + altered]) == []


@cache
def ended() -> Country:
    return Country(NOW, days=(-300, -1), named="Old CSCA")


def with_certificate(of: Signer, by: Signer) -> str:
    seal = json.loads(by.seal(MESSAGE))
    seal["sig"]["cer"] = base64url(of.certificate)
    return json.dumps(seal)


def twice(seal: str) -> str:
    return seal.replace('"n":', '"n":"DAO","n":')


REFUSED: dict[str, tuple[Callable[[], str], str, str]] = {
    "another authority of the same name": (lambda: Country(NOW).signer().seal(MESSAGE), "key", "unknown-signer"),
    "another name": (lambda: Country(NOW, named="X").signer().seal(MESSAGE), "key", "unknown-signer"),
    "another country": (lambda: country().signer(country="XX").seal(MESSAGE), "key", "unknown-signer"),
    "ended": (lambda: country().signer(days=(-20, -1)).seal(MESSAGE), "signer-validity", "signer-expired"),
    "to come": (lambda: country().signer(days=(1, 9)).seal(MESSAGE), "signer-validity", "signer-not-yet-valid"),
    "authority ended": (lambda: ended().signer().seal(MESSAGE), "signer-validity", "signer-expired"),
    "signer of tests": (lambda: country().signer([TEST]).seal(MESSAGE), "key-usage", "wrong-key-usage"),
    "an official's key": (lambda: country().signer([EMAIL]).seal(MESSAGE), "key-usage", "wrong-key-usage"),
    "a signer of passports": (lambda: country().signer([]).seal(MESSAGE), "key-usage", "wrong-key-usage"),
    "an authority below": (lambda: country().signer(key_usage=False).seal(MESSAGE), "key-usage", "wrong-key-usage"),
    "P-384 for ES256": (lambda: country().signer(kind="ES384").seal(MESSAGE), "key", "key-type-mismatch"),
    "brainpool": (lambda: country().signer(kind="BrainpoolP256R1").seal(MESSAGE), "key", "key-type-mismatch"),
    "altered": (lambda: country().signer().seal(MESSAGE).replace("BICH", "DAO"), "signature", "bad-signature"),
    "somebody's certificate": (
        lambda: with_certificate(country().signer(), country().signer()),
        "signature",
        "bad-signature",
    ),
    "another kind of seal": (lambda: country().signer().seal(MESSAGE, type="x"), "content", "no-certificate"),
    "the name of a method": (
        lambda: country().signer().seal(MESSAGE, type="constructor"),
        "content",
        "no-certificate",
    ),
    "a member twice": (lambda: twice(country().signer().seal(MESSAGE)), "cbor", "not-json"),
    "deep": (lambda: '{"a":' * 100 + "1" + "}" * 100, "cbor", "not-json"),
    "half a character": (lambda: country().signer().seal(MESSAGE).replace("BICH", "\\ud800"), "cbor", "not-json"),
    "no number": (lambda: country().signer().seal(MESSAGE).replace("1.5", "1e999"), "cbor", "not-canonical"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_others_sign_no_seals(name: str, key: SigningKey) -> None:
    make, stage, code = REFUSED[name]
    listed = TrustList([key.signer], authorities=[country().authority(), ended().authority()])
    text = make()
    found = verify(text, listed, NOW)
    told = {each.stage: each.code for each in found.stages if each.ok is False}
    assert (found.valid, told) == (False, {stage: code})


ACCEPTED: dict[str, Callable[[], Signer]] = {
    "for seals": lambda: country().signer([SEALS]),
    "for vaccination certificates": lambda: country().signer([VACCINATION]),
    "for seals and for mail": lambda: country().signer([SEALS, EMAIL]),
    "without a key usage": lambda: country().signer(key_usage=None),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_who_was_appointed_signs_seals(name: str, key: SigningKey) -> None:
    listed = TrustList([key.signer], authorities=[ended().authority(), country().authority()])
    assert verify(ACCEPTED[name]().seal(MESSAGE), listed, NOW).valid


def test_the_page_agrees_on_whom_to_refuse_and_whom_to_accept(key: SigningKey) -> None:
    listed = TrustList([key.signer], authorities=[country().authority(), ended().authority()])
    texts = [make() for make, _, _ in REFUSED.values()] + [make().seal(MESSAGE) for make in ACCEPTED.values()]
    moments = (NOW, NOW + timedelta(days=101), NOW - timedelta(days=40))
    assert disagreements(bundled(listed), key, [Case((text,), now) for text in texts for now in moments]) == []


def test_who_is_listed_itself_needs_no_authority_and_no_usage(key: SigningKey) -> None:
    signers = [country().signer([EMAIL]), country().signer([], kind="ES384")]
    seals = [signer.seal(MESSAGE, algorithm) for signer, algorithm in zip(signers, ("ES256", "ES384"), strict=True)]
    listed = TrustList([key.signer, *(document_signer(signer.certificate) for signer in signers)])
    assert [verify(seal, listed, NOW).valid for seal in seals] == [True, True]
    assert disagreements(bundled(listed), key, [Case((seal,), NOW) for seal in seals]) == []


def test_who_renewed_its_authority_vouches_as_long_as_the_newer_one(key: SigningKey) -> None:
    above = country().authority()
    older = above._replace(not_after=NOW - timedelta(days=1))
    text = country().signer().seal(MESSAGE)
    for listed in ([older, above], [above, older], [older]):
        trust = TrustList([key.signer], authorities=listed)
        assert verify(text, trust, NOW).valid is (above in listed)
        assert disagreements(bundled(trust), key, [Case((text,), NOW)]) == []


def test_a_seal_of_whom_an_authority_vouches_for_is_revoked_too(key: SigningKey) -> None:
    text = country().signer(kind="ES384").seal(MESSAGE, "ES384")
    listed = TrustList([key.signer], authorities=[country().authority()])
    for type, hash in hashes("UTO", ["UT0123"], vdsnc.parse(text).signature, halved=True):
        revoked = Revoked([hash])
        assert (type, verify(text, listed, NOW, revoked=revoked).valid) == (type, False)
        assert disagreements(bundled(listed, revoked), key, [Case((text,), NOW)]) == []


@pytest.mark.parametrize(
    ("above", "code"),
    [
        (lambda: Country(NOW, "BrainpoolP384R1", SHA384()), "unreadable-authority"),
        (lambda: Country(NOW, "RSA", SHA256(), PSS(MGF1(SHA512()), 32)), "unreadable-authority"),
    ],
    ids=["a curve of its own", "two digests"],
)
def test_what_a_browser_cannot_read_is_told_as_that(above: Callable[[], Country], code: str, key: SigningKey) -> None:
    made = above()
    listed = TrustList([key.signer], authorities=[made.authority()])
    text = made.signer().seal(MESSAGE)
    assert verify(text, listed, NOW).valid
    [found] = page(bundled(listed), key, [Case((text,), NOW)])["found"]
    assert (found["valid"], {row["stage"]: row["code"] for row in found["stages"]}["key"]) == (False, code)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below zero
def test_the_page_accepts_no_certificate_with_a_bit_changed(key: SigningKey) -> None:
    chance = random.Random(9306)
    whole = json.loads(country().signer().seal(MESSAGE))
    certificate = unbase64url(whole["sig"]["cer"])
    cases = []
    for place in range(len(certificate)):
        changed = bytearray(certificate)
        changed[place] ^= 1 << chance.randrange(8)
        seal = {**whole, "sig": {**whole["sig"], "cer": base64url(bytes(changed))}}
        cases.append(Case((json.dumps(seal),), NOW))
        cases.append(Case((json.dumps({**seal, "sig": {**seal["sig"], "cer": base64url(certificate[:place])}}),), NOW))
    listed = TrustList([key.signer], authorities=[country().authority()])
    said = page(bundled(listed), key, cases)["found"]
    assert [found["valid"] for found in said] == [False] * len(cases)
    broken = [[row["stage"] for row in found["stages"] if row["ok"] is False] for found in said]
    assert all(broken), "each is refused for a stated reason"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below zero
def test_page_and_library_accept_the_same_texts(key: SigningKey) -> None:
    chance = random.Random(9303)
    text = country().signer().seal(MESSAGE)
    cases = []
    for _ in range(500):
        characters = list(text)
        for _ in range(chance.choice((1, 1, 2, 5))):
            place = chance.randrange(len(characters))
            characters[place : place + chance.randrange(2)] = chance.choice('{}[]":,\\u0eE+-.9tfn \né')
        cases.append(Case(("".join(characters),), NOW))
    listed = TrustList([key.signer], authorities=[country().authority()])
    said = page(bundled(listed), key, cases)["found"]
    assert [found["valid"] for found in said] == [verify(case.texts[0], listed, NOW).valid for case in cases]
