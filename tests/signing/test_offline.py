"""docs/certificates.md, "Offline bundle": what is written is read back, and nothing else counts"""

import os
import shutil
import subprocess
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signing import deflate, development, did, hc1, jwk, jws, offline, revocation, rules, shc, trust
from signing.did import Pin
from signing.keys import SigningKey
from signing.offline import Bundle
from signing.refusal import Refused
from signing.revocation import Revoked
from signing.trust import CardKey, TrustList
from signing.verify import verify
from tests.signing.conftest import NOW, PAYLOAD, certified, p256
from tests.signing.test_rules import COMPLETE, row
from tests.signing.test_shc import BUNDLE, ISSUER


@pytest.fixture(scope="module")
def card_key() -> SigningKey:
    return certified(p256())


@pytest.fixture(scope="module")
def contents(es256: SigningKey, ps256: SigningKey, authority: development.Authority, card_key: SigningKey) -> Bundle:
    cards = [CardKey(jwk.thumbprint(card_key.signer.public_key), card_key.signer.public_key, ISSUER, 3)]
    above = trust.authority(authority.certificate.public_bytes(Encoding.DER))
    listed = {cards[0].kid: revocation.card_list(["abc", "old.5"], 3)}
    return Bundle(
        TrustList([es256.signer, ps256.signer], (), cards, [above]),
        Revoked([bytes(16), b"\xff" * 16], listed),
        rules.parse([{"rules": [row("A", COMPLETE)], "valueSets": {"vaccines": ["a"]}}]),
        NOW,
        NOW + timedelta(days=1),
        ISSUER,
    )


@pytest.mark.parametrize("name", ["es256", "ps256"])
def test_a_bundle_is_read_back_as_it_was_written(name: str, contents: Bundle, request: pytest.FixtureRequest) -> None:
    key: SigningKey = request.getfixturevalue(name)
    read = offline.read(offline.make(contents, key), [Pin(key.signer.public_key)])
    assert read.trust.signers == contents.trust.signers
    assert read.trust.authorities == contents.trust.authorities
    assert [(key.kid, key.origin, key.list_version) for key in read.trust.cards] == [
        (key.kid, key.origin, key.list_version) for key in contents.trust.cards
    ]
    assert read.revoked.to_bytes() == contents.revoked.to_bytes()
    assert read.revoked.cards == contents.revoked.cards
    assert read.rulebook == contents.rulebook
    assert read[3:] == contents[3:]


def test_certificates_and_cards_are_verified_by_it(contents: Bundle, es256: SigningKey, card_key: SigningKey) -> None:
    read = offline.read(offline.make(contents, es256), [Pin(es256.signer.public_key)])
    good = shc.issue(BUNDLE, card_key, NOW, ISSUER, rid="xyz").jws
    bad = shc.issue(BUNDLE, card_key, NOW, ISSUER, rid="abc").jws
    dcc = hc1.issue(PAYLOAD, es256, NOW).text
    judged = [
        verify(text, read.trust, NOW, revoked=read.revoked, rulebook=read.rulebook.arriving("VN")).valid
        for text in (good, bad, dcc)
    ]
    assert judged == [True, False, True]


def test_a_bundle_of_somebody_else_is_refused(contents: Bundle, es256: SigningKey, ps256: SigningKey) -> None:
    with pytest.raises(Refused, match="bundle-signature"):
        offline.read(offline.make(contents, es256), [Pin(ps256.signer.public_key), Pin(p256().public_key())])
    with pytest.raises(Refused, match="bundle-signature"):
        offline.read(offline.make(contents, es256), [])


def test_an_altered_bundle_is_refused(contents: Bundle, es256: SigningKey) -> None:
    header, payload, signature = offline.make(contents, es256).split(".")
    altered = bytearray(jwk.unbase64url(payload))
    altered[len(altered) // 2] ^= 1
    with pytest.raises(Refused, match="bundle-signature"):
        offline.read(f"{header}.{jwk.base64url(bytes(altered))}.{signature}", [Pin(es256.signer.public_key)])


def sealed(key: SigningKey, content: Any, **header: Any) -> str:
    return jws.sign({"zip": "DEF", "typ": offline.TYPE} | header, deflate.raw(jws.minified(content)), key)


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ({}, {}),
        ([], {}),
        ({"version": 2}, {}),
        ({"version": 1}, {}),
        ({"version": 1, "signers": 5}, {}),
        ({}, {"typ": "JWT"}),
    ],
    ids=["empty", "a list", "version 2", "nothing in it", "no list", "another type"],
)
def test_what_is_signed_but_no_bundle_is_refused(content: Any, header: dict[str, Any], es256: SigningKey) -> None:
    with pytest.raises(Refused, match="not-a-bundle"):
        offline.read(sealed(es256, content, **header), [Pin(es256.signer.public_key)])


def test_a_bundle_says_in_its_header_that_it_is_one(contents: Bundle, es256: SigningKey) -> None:
    message = jws.parse(offline.make(contents, es256))
    renamed = jws.sign({"zip": "DEF", "typ": "JWT"}, message.content, es256)
    with pytest.raises(Refused, match="not-a-bundle"):
        offline.read(renamed, [Pin(es256.signer.public_key)])


def test_a_card_is_no_bundle_and_a_bundle_is_no_card(contents: Bundle, es256: SigningKey) -> None:
    pin = [Pin(es256.signer.public_key)]
    with pytest.raises(Refused, match="not-a-bundle"):
        offline.read(shc.issue(BUNDLE, es256, NOW, ISSUER).jws, pin)
    assert not verify(offline.make(contents, es256), TrustList([es256.signer]), NOW).valid


NODE = """
const fs = require('fs');
const {jwk, text} = JSON.parse(fs.readFileSync(0));
(async () => {
  const [header, payload, signature] = text.split('.');
  const bytes = (part) => Buffer.from(part, 'base64url');
  const key = await crypto.subtle.importKey('jwk', jwk, {name: 'ECDSA', namedCurve: 'P-256'}, false, ['verify']);
  const signed = new TextEncoder().encode(header + '.' + payload);
  const good = await crypto.subtle.verify({name: 'ECDSA', hash: 'SHA-256'}, key, bytes(signature), signed);
  const stream = new Blob([bytes(payload)]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const said = JSON.parse(await new Response(stream).text());
  console.log(good, said.signers.length, said.rules[0].Identifier, Object.keys(said.revocation.cards).length);
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_crypto_of_browsers_reads_it(contents: Bundle, es256: SigningKey) -> None:
    given = jws.minified({"jwk": jwk.members(es256.signer.public_key), "text": offline.make(contents, es256)})
    answer = subprocess.run(
        ["node", "-e", f"globalThis.crypto ??= require('crypto').webcrypto;{NODE}"],
        input=given,
        capture_output=True,
        check=True,
    )
    assert answer.stdout.decode().split() == ["true", "2", "A", "1"]


def test_a_public_key_is_pinned_in_every_form(es256: SigningKey) -> None:
    certificate = x509.load_der_x509_certificate(es256.signer.certificate)
    public = certificate.public_key()
    forms = [
        certificate.public_bytes(Encoding.PEM),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    ]
    assert all(did.pins(form)[0].key == es256.signer.public_key for form in forms)
    for bad in (b"", b"{}", b"*", os.urandom(40), b"-----BEGIN PUBLIC KEY-----"):
        with pytest.raises(Refused):
            did.pins(bad)
