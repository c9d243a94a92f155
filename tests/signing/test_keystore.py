"""A keystore over time: next, current, retired, compromised; encrypted; by request to an authority; in a token.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models
"""

import json
import logging
import os
import shutil
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from signing import development, enrolment, hc1, hsm, keystore, pades
from signing.algorithms import ES256, PS256
from signing.keyring import Keyring
from signing.keys import CERTIFICATE_SUFFIX, KEY_SUFFIX, TOKEN_SUFFIX, SigningKey, State
from signing.keystore import Secrets
from signing.refusal import Refused
from signing.trust import TrustList
from signing.verify import verify
from tests.signing.countries import Country

NOW = datetime.now(UTC).replace(microsecond=0)
PASSPHRASE = b"correct horse battery staple"
LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


def certificate(key: SigningKey) -> str:
    """Return a certificate signed with `key`."""
    return hc1.issue({"ver": "1.3.0", "nam": {"fnt": "AN"}, "dob": "1990", "v": []}, key, NOW).text


def test_a_key_lives_from_next_over_current_and_retired_to_its_end(tmp_path: Path) -> None:
    first = development.generate(tmp_path, NOW)
    ring = Keyring(tmp_path)
    old = certificate(ring.signers.signer(NOW))
    second = development.generate(tmp_path, NOW + timedelta(seconds=1), state=State.NEXT)
    later = NOW + timedelta(minutes=1)
    # The next key is published, but does not sign, although it is newer.
    assert {signer.kid for signer in ring.trust.signers} == {first.kid, second.kid}
    assert ring.signers.signer(later).kid == first.kid
    assert [key.kid for key in keystore.rotate(tmp_path, later)] == [second.kid]
    assert ring.signers.signer(later).kid == second.kid
    assert verify(old, ring.trust, later).stages[6].ok is True  # the signature of the retired key
    keystore.compromise(tmp_path, first.kid.hex())
    assert [signer.kid for signer in ring.trust.signers] == [second.kid]
    assert verify(old, ring.trust, later).stages[5].code == "unknown-signer"


def test_a_rotation_leaves_keys_of_the_other_algorithm_alone(tmp_path: Path) -> None:
    rsa = development.generate(tmp_path, NOW, PS256)
    development.generate(tmp_path, NOW, ES256)
    development.generate(tmp_path, NOW, ES256, state=State.NEXT)
    keystore.rotate(tmp_path, NOW)
    states = {key.kid: key.state for key in keystore.load(tmp_path).keys}
    assert states[rsa.kid] == State.CURRENT
    assert sorted(states.values()) == ["current", "current", "retired"]


def test_without_a_next_key_nothing_is_rotated(tmp_path: Path) -> None:
    kept = development.generate(tmp_path, NOW)
    with pytest.raises(Refused, match="no-next-key"):
        keystore.rotate(tmp_path, NOW)
    assert keystore.load(tmp_path).signer(NOW).kid == kept.kid


def test_of_an_unknown_key_nothing_is_given_up(tmp_path: Path) -> None:
    development.generate(tmp_path, NOW)
    with pytest.raises(Refused, match="no-such-key"):
        keystore.compromise(tmp_path, "00" * 8)


def test_key_files_are_encrypted_when_there_is_a_passphrase(tmp_path: Path) -> None:
    made = development.generate(tmp_path, NOW, passphrase=PASSPHRASE)
    files = list(tmp_path.glob(f"*{KEY_SUFFIX}"))
    assert len(files) == 2  # the authority's, too
    assert all(b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes() for file in files)
    assert keystore.load(tmp_path, Secrets(PASSPHRASE)).signer(NOW).kid == made.kid
    second = development.generate(tmp_path, NOW, passphrase=PASSPHRASE)
    assert {key.kid for key in keystore.load(tmp_path, Secrets(PASSPHRASE)).keys} == {made.kid, second.kid}


@pytest.mark.parametrize("given", [None, b"wrong"], ids=["none", "another"])
def test_without_the_passphrase_the_refusal_tells_no_secret(tmp_path: Path, given: bytes | None) -> None:
    development.generate(tmp_path, NOW, passphrase=PASSPHRASE)
    with pytest.raises(Refused) as refused:
        keystore.load(tmp_path, Secrets(given))
    told = f"{refused.value!r} {refused.value}"
    assert "passphrase" in told
    assert "wrong" not in told.replace("missing or wrong", "")
    assert "PRIVATE" not in told


def test_secrets_are_not_shown() -> None:
    shown = repr(Secrets(PASSPHRASE, "1234"))
    assert "horse" not in shown
    assert "1234" not in shown


def signed(request: bytes, folder: Path, days: tuple[int, int] = (-1, 700), *extensions: x509.ExtensionType) -> bytes:
    """Return the certificate that a development authority makes for a request."""
    wanted = x509.load_pem_x509_csr(request)
    assert wanted.is_signature_valid
    above = development.authority(NOW)
    made = (
        x509.CertificateBuilder()
        .subject_name(wanted.subject)
        .issuer_name(above.certificate.subject)
        .public_key(wanted.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    for extension in extensions:
        made = made.add_extension(extension, critical=False)
    assert folder.exists()
    return made.sign(above.private_key, SHA256()).public_bytes(Encoding.PEM)


NAME = x509.Name.from_rfc4514_string("CN=Cục Phòng bệnh,O=Bộ Y tế,C=VN")


@pytest.mark.parametrize("algorithm", [ES256, PS256], ids=["ES256", "PS256"])
def test_a_key_by_request_signs_after_its_certificate_came_and_the_rotation(tmp_path: Path, algorithm: int) -> None:
    old = development.generate(tmp_path, NOW, algorithm)
    request = enrolment.request(tmp_path, NAME, algorithm, "dsc-2027", Secrets(PASSPHRASE))
    assert b"PRIVATE" not in request
    asked = x509.load_pem_x509_csr(request).extensions
    assert asked.get_extension_for_class(x509.KeyUsage).value.digital_signature
    usages = asked.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in usages] == ["1.3.6.1.4.1.1847.2021.1.2", "2.23.136.1.1.14.2"]
    assert [key.kid for key in keystore.load(tmp_path).keys] == [old.kid]
    key = enrolment.accept(tmp_path, signed(request, tmp_path), NOW, Secrets(PASSPHRASE))
    assert keystore.load(tmp_path, Secrets(PASSPHRASE)).signer(NOW).kid == old.kid
    keystore.rotate(tmp_path, NOW, Secrets(PASSPHRASE))
    now = keystore.load(tmp_path, Secrets(PASSPHRASE)).signer(NOW)
    assert (now.kid, now.algorithm) == (key.kid, algorithm)
    assert not list(tmp_path.glob("*.csr.pem"))


def test_a_certificate_that_no_key_waits_for_is_refused(tmp_path: Path) -> None:
    enrolment.request(tmp_path, NAME, ES256, "a")
    other = enrolment.request(tmp_path / "other", NAME, ES256, "a")
    with pytest.raises(Refused, match="key-mismatch"):
        enrolment.accept(tmp_path, signed(other, tmp_path), NOW)


@pytest.mark.parametrize("form", ["DER", "chain, the authority first", "chain"])
def test_a_certificate_comes_in_any_form(tmp_path: Path, form: str) -> None:
    pem = signed(enrolment.request(tmp_path, NAME, ES256, "a"), tmp_path)
    above = development.authority(NOW).certificate.public_bytes(Encoding.PEM)
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    given = {"DER": der, "chain, the authority first": above + pem, "chain": pem + above}[form]
    made = enrolment.accept(tmp_path, given, NOW)
    assert (made.signer.certificate, enrolment.waiting(tmp_path)) == (der, ())
    assert [key.kid for key in keystore.load(tmp_path).keys] == [made.kid]


TESTS_ONLY = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.1")])


@pytest.mark.parametrize(
    ("days", "extensions", "code"),
    [
        ((-9, -1), (), "signer-not-valid"),
        ((-9, 9), (TESTS_ONLY,), "key-usage"),
        ((-9, 9), (development.CERTIFICATES,), "key-usage"),
    ],
    ids=["ended", "for tests", "for certificates"],
)
def test_a_certificate_that_cannot_sign_vaccinations_is_not_taken(
    tmp_path: Path, days: tuple[int, int], extensions: tuple[x509.ExtensionType, ...], code: str
) -> None:
    request = enrolment.request(tmp_path, NAME, ES256, "a")
    with pytest.raises(Refused) as refused:
        enrolment.accept(tmp_path, signed(request, tmp_path, days, *extensions), NOW)
    assert (refused.value.code, enrolment.waiting(tmp_path)) == (code, ("a",))


def test_a_key_that_could_not_sign_yet_retires_nobody(tmp_path: Path) -> None:
    old = development.generate(tmp_path, NOW)
    request = enrolment.request(tmp_path, NAME, ES256, "a")
    enrolment.accept(tmp_path, signed(request, tmp_path, (1, 9)), NOW)
    with pytest.raises(Refused, match="signer-not-valid"):
        keystore.rotate(tmp_path, NOW)
    assert keystore.load(tmp_path).signer(NOW).kid == old.kid


@pytest.mark.parametrize("label", ["../a", "/tmp/a", "", "csca-2", ".a", "a b", "a\n"])
def test_a_label_names_files_of_the_folder(tmp_path: Path, label: str) -> None:
    with pytest.raises(Refused, match="label"):
        enrolment.request(tmp_path / "keys", NAME, ES256, label)
    assert list(tmp_path.iterdir()) == []


def test_a_request_names_its_country(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="country"):
        enrolment.request(tmp_path, x509.Name.from_rfc4514_string("CN=A"), ES256, "a")


def test_a_label_is_used_once(tmp_path: Path) -> None:
    enrolment.request(tmp_path, NAME, ES256, "a")
    with pytest.raises(Refused, match="key-exists"):
        enrolment.request(tmp_path, NAME, ES256, "a")


@pytest.mark.parametrize("content", ["{", "[]", '{"00": "lost"}'], ids=["no JSON", "no object", "no state"])
def test_states_that_cannot_be_read_are_refused(tmp_path: Path, content: str) -> None:
    development.generate(tmp_path, NOW)
    (tmp_path / "states.json").write_text(content)
    with pytest.raises(Refused, match="states"):
        keystore.load(tmp_path)


def test_keys_that_cannot_be_read_any_more_leave_the_old_ones_in_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = development.generate(tmp_path, NOW)
    ring = Keyring(tmp_path)
    (tmp_path / "new.json").write_text("{")
    os.replace(tmp_path / "new.json", tmp_path / "states.json")
    with caplog.at_level(logging.WARNING):
        assert ring.signers.signer(NOW).kid == made.kid
    assert "cannot be read" in caplog.text
    (tmp_path / "states.json").unlink()
    assert ring.signers.signer(NOW).kid == made.kid


def test_a_list_of_authorities_alone_is_kept() -> None:
    foreign = TrustList((), authorities=[Country(NOW).authority()])
    assert Keyring(None, foreign=foreign).trust.authorities == foreign.authorities


def test_a_server_without_keys_has_none_and_trusts_whom_it_is_told_to(es256: SigningKey, tmp_path: Path) -> None:
    development.generate(tmp_path, NOW)
    ring = Keyring(None, foreign=keystore.load(tmp_path).trust_list())
    assert (ring.signers.keys, len(ring.trust)) == ((), 1)


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The library of SoftHSM with an empty token called `ministry`."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (libsofthsm2, softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # read once, when the library is loaded
    command = ["softhsm2-util", "--init-token", "--free", "--label", "ministry", "--so-pin", "0000", "--pin", "4711"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def token(folder: Path, library: str, algorithm: int) -> tuple[Path, SigningKey]:
    """Put a development key into the token, and a keystore with its description into `folder`."""
    made = development.generate(folder / "file", NOW, algorithm)
    label = f"key-{uuid.uuid4().hex[:8]}"  # a token names keys by label and by number
    [key_file] = (folder / "file").glob(f"dsc*{KEY_SUFFIX}")
    command = ["softhsm2-util", "--import", str(key_file), "--token", "ministry", "--label", label, "--id", label[4:]]
    subprocess.run([*command, "--pin", "4711"], check=True, capture_output=True)
    store = folder / "store"
    store.mkdir()
    [pem] = (folder / "file").glob(f"dsc*{CERTIFICATE_SUFFIX}")
    shutil.copy(pem, store / f"dsc{CERTIFICATE_SUFFIX}")
    description = {"module": library, "token": "ministry", "label": label}
    (store / f"dsc{TOKEN_SUFFIX}").write_text(json.dumps(description))
    return store, made


@pytest.mark.parametrize("algorithm", [ES256, PS256], ids=["ES256", "PS256"])
def test_a_key_in_a_token_signs_certificates_and_papers_and_stays_there(
    softhsm: str, tmp_path: Path, algorithm: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, made = token(tmp_path, softhsm, algorithm)
    signers = keystore.load(store, Secrets(pin="4711"))
    key = signers.signer(NOW)
    assert (key.kid, key.algorithm) == (made.kid, algorithm)
    found = verify(certificate(key), signers.trust_list(), NOW)
    assert found.stages[6].ok is True
    assert not list(store.glob(f"*{KEY_SUFFIX}"))
    assert "PRIVATE" not in repr(key)
    from reportlab.pdfgen.canvas import Canvas

    page = tmp_path / "page.pdf"
    canvas = Canvas(str(page))
    canvas.drawString(100, 100, "x")
    canvas.save()
    assert b"/ETSI.CAdES.detached" in pades.sign(page.read_bytes(), key, "test")


@pytest.mark.parametrize("algorithm", [ES256, PS256], ids=["ES256", "PS256"])
def test_a_key_in_a_token_asks_for_its_certificate_too(softhsm: str, tmp_path: Path, algorithm: int) -> None:
    store, _ = token(tmp_path, softhsm, algorithm)
    (store / f"dsc{CERTIFICATE_SUFFIX}").unlink()
    secrets = Secrets(pin="4711")
    request = enrolment.request(store, NAME, algorithm, "dsc", secrets)
    assert b"PRIVATE" not in request
    assert not list(store.glob(f"*{KEY_SUFFIX}"))
    with pytest.raises(Refused, match="of this algorithm"):
        enrolment.request(store, NAME, PS256 if algorithm == ES256 else ES256, "dsc", secrets)
    made = enrolment.accept(store, signed(request, store), NOW, secrets)
    assert (made.state, made.algorithm) == (State.NEXT, algorithm)
    keystore.rotate(store, NOW, secrets)
    signers = keystore.load(store, secrets)
    assert verify(certificate(signers.signer(NOW)), signers.trust_list(), NOW).valid


def test_a_certificate_beside_another_key_of_the_token_is_refused(softhsm: str, tmp_path: Path) -> None:
    store, _ = token(tmp_path, softhsm, ES256)
    development.generate(tmp_path / "other", NOW)
    [pem] = (tmp_path / "other").glob(f"dsc*{CERTIFICATE_SUFFIX}")
    shutil.copy(pem, store / f"dsc{CERTIFICATE_SUFFIX}")
    with pytest.raises(Refused, match="key-mismatch"):
        keystore.load(store, Secrets(pin="4711"))


@pytest.mark.parametrize(
    ("pin", "label"), [("0815", None), (None, None), ("4711", "nobody")], ids=["wrong", "none", "label"]
)
def test_a_token_that_cannot_be_used_tells_no_pin(
    softhsm: str, tmp_path: Path, pin: str | None, label: str | None
) -> None:
    store, _ = token(tmp_path, softhsm, ES256)
    file = store / f"dsc{TOKEN_SUFFIX}"
    if label:
        file.write_text(json.dumps({**json.loads(file.read_text()), "label": label}))
    with pytest.raises(Refused, match="token") as refused:
        keystore.load(store, Secrets(pin=pin))
    assert "0815" not in str(refused.value)


@pytest.mark.parametrize("description", [b"{", b"[]", b'{"module": "x"}'], ids=["no JSON", "no object", "half"])
def test_a_description_of_a_token_that_is_none_is_refused(description: bytes) -> None:
    with pytest.raises(Refused, match="token"):
        hsm.read(description, "1", ES256)
