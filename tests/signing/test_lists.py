"""https://smart.who.int/trust/concepts_did_gdhcn.html and https://www.rfc-editor.org/rfc/rfc7517#section-5"""

import copy
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from signing import development, did, enrolment, jwk, keystore, lists, trust
from signing.algorithms import ES256
from signing.did import Pin
from signing.keys import SigningKey, State
from signing.refusal import Refused
from signing.trust import TrustList
from tests.signing.conftest import NOW, p256

WORLD = Path(__file__).parents[2] / "../shared/certificates/gdhcn/trustlist"
published = pytest.mark.skipif(not WORLD.exists(), reason=f"no trust lists in {WORLD}")
ID = "did:web:tiemchung.example.vn"


def world(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WORLD / f"{name}.did.json").read_text("utf-8"))
    return found


def world_pins() -> tuple[Pin, ...]:
    return did.pins((WORLD / "dev-signer.did.json").read_bytes())


@published
def test_the_proof_of_a_real_list_is_found_good_and_its_keys_are_read() -> None:
    read = did.read(world("dev-v2-trustlist"), world_pins())
    assert (len(read.signers), len(read.authorities)) == (109, 139)
    assert len([reason for reason in read.skipped if "not for signing" in reason]) == 7
    assert len(read.skipped) == 7


@published
def test_references_are_told_and_not_followed() -> None:
    read = did.read(world("dev-v2-ref-AND-DSC"), world_pins())
    assert len(read) == 0
    assert "not followed" in read.skipped[0]


@published
@pytest.mark.parametrize(
    "name", ["prod-v2-trustlist", "prod-v2-trustlist-ref", "prod-v1-trustlist", "prod-v2-DCC-BEL-DSC"]
)
def test_a_list_of_another_environment_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="list-not-pinned"):
        did.read(world(name), world_pins())
    with pytest.raises(Refused, match="did-proof"):
        did.read(world(name), [Pin(world_pins()[0].key)])


def altered(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    document = copy.deepcopy(world("dev-v2-trustlist"))
    change(document)
    return document


def first(document: dict[str, Any]) -> dict[str, Any]:
    method: dict[str, Any] = document["verificationMethod"][0]
    return method


ALTERED: dict[str, Callable[[dict[str, Any]], None]] = {
    "a key": lambda document: first(document)["publicKeyJwk"].update(x="AAAA"),
    "a certificate": lambda document: first(document)["publicKeyJwk"]["x5c"].reverse(),
    "its use": lambda document: first(document).update(keyusage={"code": "#CSCA"}),
    "the place of a code": lambda document: first(document).update(keyusage={"code": "https://smart.who.int/x#DSC"}),
    "a country": lambda document: first(document).update(participant={"code": "#VNM"}),
    "a member more": lambda document: first(document).update(extra=1),
    "a member less": lambda document: first(document).pop("domain"),
    "an entry less": lambda document: document["verificationMethod"].pop(),
    "an entry more": lambda document: document["verificationMethod"].append("did:web:evil.example#1"),
    "an entry that is a number": lambda document: document["verificationMethod"].append(5),
    "the controller": lambda document: document.update(controller="did:web:evil.example"),
    "a member of the document": lambda document: document.update(service=[]),
    "the context": lambda document: document["@context"].append("https://evil.example"),
    "another context": lambda document: document.update({"@context": document["@context"][0]}),
    "another environment": lambda document: document["@context"].__setitem__(
        2, "https://smart.who.int/trust/tng-context/v1.jsonld"
    ),
    "the date of the proof": lambda document: document["proof"].update(created="2030-01-01T00:00:00Z"),
    "the purpose of the proof": lambda document: document["proof"].update(proofPurpose="authentication"),
    "the header of the proof": lambda document: document["proof"].update(
        jws="e30.." + document["proof"]["jws"].split(".")[2]
    ),
    "the signature": lambda document: document["proof"].update(jws=document["proof"]["jws"][:-6] + "AAAAAA"),
    "no proof": lambda document: document.pop("proof"),
}


@published
@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_list_is_refused(what: str) -> None:
    with pytest.raises(Refused, match="did-proof"):
        did.read(altered(ALTERED[what]), world_pins())


def test_our_own_document_proves_itself(es256: SigningKey, ps256: SigningKey, authority: development.Authority) -> None:
    above = trust.authority(authority.certificate.public_bytes(Encoding.DER))
    own = TrustList([es256.signer, ps256.signer], authorities=[above])
    document = json.loads(json.dumps(did.write(own, ID, es256, NOW, "nonce", {"VN": "VNM"})))
    read = lists.parse(json.dumps(document), pins=[Pin(es256.signer.public_key)])
    assert (read.signers, read.authorities, read.skipped) == (own.signers, own.authorities, ())
    assert {method["participant"]["code"] for method in document["verificationMethod"]} == {"#VNM"}
    document["verificationMethod"].pop()
    with pytest.raises(Refused, match="did-proof"):
        did.read(document, [Pin(es256.signer.public_key)])
    with pytest.raises(Refused, match="list-not-pinned"):
        did.read(document, [])


def test_a_key_that_differs_from_its_certificate_is_not_used(es256: SigningKey) -> None:
    document = did.write(TrustList([es256.signer]), ID, es256, NOW, "n", {})
    key = document["verificationMethod"][0]["publicKeyJwk"]
    key |= jwk.members(p256().public_key())
    made = document["proof"]
    header = made["jws"].partition("..")[0]
    signature = es256.sign(header.encode() + b"." + did._digests(document, made))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    document["proof"] = {**made, "jws": f"{header}..{jwk.base64url(encode_dss_signature(r, s))}"}
    read = did.read(document, [Pin(es256.signer.public_key)])
    assert (read.signers, "key-mismatch" in read.skipped[0]) == ((), True)


def signed_text(key: ec.EllipticCurvePrivateKey, content: bytes, *, raw: bool) -> bytes:
    signature = key.sign(content, ec.ECDSA(SHA256()))
    if raw:
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return b64encode(signature) + b"\n" + content


@pytest.mark.parametrize("raw", [True, False], ids=["r and s", "DER"])
def test_a_signed_text_counts_when_its_key_is_pinned(raw: bool, tmp_path: Path, es256: SigningKey) -> None:
    key = p256()
    text = signed_text(key, TrustList([es256.signer]).json.encode(), raw=raw)
    (tmp_path / "dsc.txt").write_bytes(text)
    assert lists.load(tmp_path / "dsc.txt", [Pin(key.public_key())]).signers == (es256.signer,)
    assert lists.load(tmp_path, [Pin(key.public_key())]).signers == (es256.signer,)
    with pytest.raises(Refused, match="list-signature"):
        lists.parse(text, pins=[Pin(p256().public_key()), Pin(rsa.generate_private_key(65537, 2048).public_key())])
    with pytest.raises(Refused, match="list-not-pinned"):
        lists.parse(text)
    with pytest.raises(Refused, match="list-signature"):
        lists.parse(text.replace(b"VN", b"XX"), pins=[Pin(key.public_key())])


def test_authorities_on_a_list_vouch_and_do_not_sign(es256: SigningKey, authority: development.Authority) -> None:
    above = trust.authority(authority.certificate.public_bytes(Encoding.DER))
    read = lists.parse(TrustList([es256.signer], authorities=[above]).json)
    assert (read.signers, read.authorities) == ((es256.signer,), (above,))


def test_a_key_set_is_read_and_what_signs_no_cards_is_skipped(es256: SigningKey, ps256: SigningKey) -> None:
    key = jwk.public(es256.signer.public_key)
    others = [jwk.public(ps256.signer.public_key), key | {"kid": "x"}, {"kty": "oct"}, {"kty": "EC", "crv": "P-256"}, 5]
    read = lists.parse(json.dumps({"keys": [key, *others], "iss": "https://a.vn"}))
    assert [(found.kid, found.origin) for found in read.cards] == [(key["kid"], "https://a.vn")]
    assert len(read.skipped) == len(others)


def test_thumbprints_are_those_of_the_rfc() -> None:
    key = {
        "kty": "RSA",
        "e": "AQAB",
        "n": (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM"
            "stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn"
            "1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        ),
    }
    assert jwk.thumbprint(jwk.read(key)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_keys_are_read_back(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve).public_key()
    assert jwk.read(jwk.public(key)) == key
    padded = jwk.members(key)
    padded["x"] = jwk.base64url(b"\0" + jwk.unbase64url(padded["x"]))
    assert jwk.read(padded) == key


def test_curves_without_a_name_are_refused() -> None:
    with pytest.raises(Refused, match="key-type"):
        jwk.members(ec.generate_private_key(ec.BrainpoolP256R1()).public_key())


def test_a_signer_with_an_address_signs_cards_of_that_address_only() -> None:
    key = p256()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "VN")])
    address = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://a.vn")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW.replace(year=2030))
        .add_extension(address, False)
        .sign(key, SHA256())
    )
    listed = TrustList([trust.document_signer(certificate.public_bytes(Encoding.DER))])
    assert [found.origin for found in listed.card_keys(jwk.thumbprint(key.public_key()))] == ["https://a.vn"]


def test_a_keystore_is_a_trust_list_of_its_keys_but_the_compromised_ones(tmp_path: Path) -> None:
    old = development.generate(tmp_path, NOW)
    new = development.generate(tmp_path, NOW, state=State.NEXT)
    enrolment.request(tmp_path, x509.Name.from_rfc4514_string("CN=A,C=VN"), ES256, "waiting")
    keystore.rotate(tmp_path, NOW)
    (tmp_path / "token.pkcs11.json").write_text('{"module": "m", "token": "t", "label": "l"}')
    assert {signer.kid for signer in lists.load(tmp_path).signers} == {old.kid, new.kid}
    keystore.compromise(tmp_path, old.kid.hex())
    assert [signer.kid for signer in lists.load(tmp_path).signers] == [new.kid]
    (tmp_path / "states.json").write_text("{")
    with pytest.raises(Refused, match="states"):
        lists.load(tmp_path)
