"""https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models"""

import stat
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from signing import development, keys, keystore, lists
from signing.algorithms import ES256, PS256, PrivateKey
from signing.keys import SignerSet, SigningKey
from signing.refusal import Refused
from tests.signing.conftest import NOW, certified, p256

YEAR = timedelta(days=365)


def pem(key: PrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def certificate_pem(key: SigningKey) -> bytes:
    return x509.load_der_x509_certificate(key.signer.certificate).public_bytes(Encoding.PEM)


def test_the_kid_is_the_beginning_of_the_digest_of_the_certificate(es256: SigningKey) -> None:
    assert es256.kid == sha256(es256.signer.certificate).digest()[:8]


@pytest.mark.parametrize(("name", "algorithm"), [("es256", ES256), ("ps256", PS256)])
def test_the_key_decides_the_algorithm(name: str, algorithm: int, request: pytest.FixtureRequest) -> None:
    key: SigningKey = request.getfixturevalue(name)
    again = keys.from_pem(pem(key.private_key), certificate_pem(key))
    assert (again.algorithm, again.kid, again.signer.country) == (algorithm, key.kid, "VN")


def test_a_protected_key_opens_with_its_password_only(es256: SigningKey) -> None:
    locked = pem(es256.private_key, b"secret")
    assert keys.from_pem(locked, certificate_pem(es256), b"secret").kid == es256.kid
    for password in (None, b"wrong"):
        with pytest.raises(Refused, match="unreadable-key"):
            keys.from_pem(locked, certificate_pem(es256), password)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (p256(), "key-mismatch"),
        (ed25519.Ed25519PrivateKey.generate(), "key-type"),
    ],
    ids=["another key", "Ed25519"],
)
def test_a_key_that_is_not_the_certificates_is_refused(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, code: str, es256: SigningKey
) -> None:
    with pytest.raises(Refused, match=code):
        keys.from_pem(pem(key), certificate_pem(es256))


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 1024)],
    ids=["P-384", "RSA 1,024"],
)
def test_keys_for_no_algorithm_of_health_certificates_are_refused(key: PrivateKey) -> None:
    with pytest.raises(Refused, match="key-type"):
        certified(key)


@pytest.mark.parametrize(
    ("key", "certificate", "code"),
    [(b"", b"", "unreadable-key"), (None, b"", "not-a-certificate")],
    ids=["no key", "no certificate"],
)
def test_files_without_key_or_certificate_are_refused(
    key: bytes | None, certificate: bytes, code: str, es256: SigningKey
) -> None:
    with pytest.raises(Refused, match=code):
        keys.from_pem(pem(es256.private_key) if key is None else key, certificate)


def test_a_signing_key_does_not_show_its_secret(es256: SigningKey) -> None:
    assert "private" not in repr(es256)


def test_the_newest_valid_key_signs_and_older_ones_stay_trusted() -> None:
    old = certified(p256(), not_before=NOW - 2 * YEAR, not_after=NOW + YEAR)
    new = certified(p256(), not_before=NOW - timedelta(days=1), not_after=NOW + 2 * YEAR)
    coming = certified(p256(), not_before=NOW + YEAR, not_after=NOW + 3 * YEAR)
    signers = SignerSet([old, coming, new])
    assert signers.signer(NOW) is new
    assert signers.signer(NOW - YEAR) is old
    assert signers.signer(NOW + 3 * YEAR) is coming
    assert {signer.kid for signer in signers.trust_list().signers} == {old.kid, new.kid, coming.kid}


def test_a_key_can_be_asked_for_by_algorithm(es256: SigningKey, ps256: SigningKey) -> None:
    signers = SignerSet([es256, ps256])
    assert signers.signer(NOW, ES256) is es256
    assert signers.signer(NOW, PS256) is ps256


@pytest.mark.parametrize("when", [NOW - 3 * YEAR, NOW + 9 * YEAR], ids=["before all", "after all"])
def test_outside_of_every_certificate_nobody_signs(when: object, es256: SigningKey) -> None:
    with pytest.raises(Refused, match="no-signer"):
        SignerSet([es256]).signer(when)  # type: ignore[arg-type]


def test_development_keys_are_written_for_their_owner_only(tmp_path: Path) -> None:
    made = development.generate(tmp_path / "keys", NOW)
    files = sorted(path.name for path in (tmp_path / "keys").iterdir())
    name = f"dsc-es256-{made.kid.hex()}"
    assert files == ["csca.cert.pem", "csca.key.pem", f"{name}.cert.pem", f"{name}.key.pem"]
    for secret in (tmp_path / "keys").glob("*.key.pem"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_development_keys_are_read_back_and_the_authority_signs_no_certificates(tmp_path: Path) -> None:
    made = [development.generate(tmp_path, NOW, algorithm) for algorithm in (ES256, PS256)]
    assert {key.kid for key in keystore.load(tmp_path).keys} == {key.kid for key in made}


def test_a_second_development_key_is_under_the_same_authority(tmp_path: Path) -> None:
    for algorithm in (ES256, PS256):
        development.generate(tmp_path, NOW, algorithm)
    authority = x509.load_pem_x509_certificate((tmp_path / "csca.cert.pem").read_bytes())
    for key in keystore.load(tmp_path).keys:
        x509.load_der_x509_certificate(key.signer.certificate).verify_directly_issued_by(authority)
        assert key.signer.not_after <= authority.not_valid_after_utc


def test_development_keys_say_what_they_are_for(es256: SigningKey) -> None:
    certificate = x509.load_der_x509_certificate(es256.signer.certificate)
    assert "vouches for nothing" in certificate.subject.rfc4514_string()
    assert es256.signer.country == "VN"
    assert es256.signer.extended_key_usage == {"1.3.6.1.4.1.1847.2021.1.2", "2.23.136.1.1.14.2"}
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)


def test_a_folder_without_keys_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=str(tmp_path)):
        keystore.load(tmp_path)


def test_a_broken_key_file_is_named(tmp_path: Path) -> None:
    made = development.generate(tmp_path, NOW)
    broken = tmp_path / f"dsc-es256-{made.kid.hex()}.key.pem"
    broken.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(Refused, match=broken.name.removesuffix(".key.pem")):
        keystore.load(tmp_path)


def test_the_key_on_disk_is_the_one_returned(tmp_path: Path) -> None:
    made = development.generate(tmp_path, NOW)
    read = load_pem_private_key((tmp_path / f"dsc-es256-{made.kid.hex()}.key.pem").read_bytes(), None)
    assert isinstance(read, ec.EllipticCurvePrivateKey)
    assert read.public_key() == made.private_key.public_key()


def test_the_folder_of_the_keys_is_a_trust_list_of_its_signers_only(tmp_path: Path) -> None:
    made = development.generate(tmp_path, NOW)
    read = lists.load(tmp_path)
    assert read.signers == (made.signer,)
    assert read.skipped == ("csca.cert.pem: is an authority's certificate, which signs no documents",)
