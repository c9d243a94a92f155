"""https://github.com/eu-digital-green-certificates/dgc-gateway — TrustListDto"""

import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from signing import der, development, lists
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.trust import TrustList, document_signer
from tests.signing.conftest import NOW, certified, p256

GATEWAY = Path(__file__).parents[2] / "../shared/certificates/gdhcn/trustlist/prod-v2-trustlist.did.json"


def as_pem(key: SigningKey) -> bytes:
    return x509.load_der_x509_certificate(key.signer.certificate).public_bytes(Encoding.PEM)


def test_the_fields_are_those_a_strict_reader_finds(es256: SigningKey) -> None:
    certificate = x509.load_der_x509_certificate(es256.signer.certificate)
    fields = der.read(es256.signer.certificate)
    assert fields.not_before == certificate.not_valid_before_utc
    assert fields.not_after == certificate.not_valid_after_utc
    assert (fields.country, fields.name) == ("VN", "Development DSC ES256 - vouches for nothing")
    assert fields.extended_key_usage == ("1.3.6.1.4.1.1847.2021.1.2", "2.23.136.1.1.14.2")


def test_a_certificate_beyond_2049_is_read() -> None:
    key = certified(p256(), not_after=NOW + timedelta(days=365 * 30))
    assert key.signer.not_after == NOW + timedelta(days=365 * 30)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_as_a_certificate_or_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        document_signer(data)


@given(st.data())
def test_an_altered_certificate_is_read_or_refused(data: st.DataObject) -> None:
    original = _CERTIFICATE
    place = data.draw(st.integers(0, len(original) - 1))
    altered = original[:place] + bytes((data.draw(st.integers(0, 255)),)) + original[place + 1 :]
    try:
        document_signer(altered[: data.draw(st.integers(0, len(altered)))])
    except Refused:
        return


def test_a_list_is_read_back_as_it_was_written(es256: SigningKey, ps256: SigningKey) -> None:
    written = TrustList([es256.signer, ps256.signer])
    read = lists.parse(written.json)
    assert read.signers == written.signers
    assert read.json == written.json


def test_the_same_signers_in_any_order_make_the_same_list(es256: SigningKey, ps256: SigningKey) -> None:
    one = TrustList([es256.signer, ps256.signer, es256.signer])
    other = TrustList([ps256.signer, es256.signer])
    assert (one.json, one.digest, len(one)) == (other.json, other.digest, 2)
    assert one.digest != TrustList([es256.signer]).digest


def test_a_published_list_holds_no_secrets(es256: SigningKey) -> None:
    [entry] = json.loads(TrustList([es256.signer]).json)["certificates"]
    public = {"kid", "timestamp", "country", "certificateType", "thumbprint", "notBefore", "notAfter", "rawData"}
    assert set(entry) == public


def test_every_signer_with_the_key_identifier_is_found(es256: SigningKey, ps256: SigningKey) -> None:
    kid = b"the same"
    pair = [document_signer(key.signer.certificate, kid) for key in (es256, ps256)]
    assert set(TrustList(pair).find(kid)) == set(pair)
    assert TrustList(pair).find(es256.kid) == ()


def test_reads_a_folder_of_all_kinds_of_files(tmp_path: Path, authority: development.Authority) -> None:
    made = [development.signer(authority, NOW) for _ in range(5)]
    (tmp_path / "one.pem").write_bytes(as_pem(made[0]))
    (tmp_path / "two.pem").write_bytes(as_pem(made[1]) + as_pem(made[2]))
    (tmp_path / "three.cer").write_bytes(made[3].signer.certificate)
    (tmp_path / "four.json").write_text(TrustList([made[4].signer]).json)
    (tmp_path / "secret.key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----")
    (tmp_path / "broken.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
    (tmp_path / "notes.txt").write_text("no certificate")
    read = lists.load(tmp_path)
    assert {signer.kid for signer in read.signers} == {key.kid for key in made}
    assert [reason.split(":")[0] for reason in read.skipped] == ["broken.pem"]


@pytest.mark.parametrize("suffix", [".pem", ".der", ".json", ".unknown"])
def test_reads_one_file_whatever_its_name(suffix: str, tmp_path: Path, es256: SigningKey) -> None:
    content = {".der": es256.signer.certificate, ".json": TrustList([es256.signer]).json.encode()}
    file = tmp_path / f"list{suffix}"
    file.write_bytes(content.get(suffix, as_pem(es256)))
    assert lists.load(file).find(es256.kid) == (es256.signer,)


def test_reads_the_array_of_the_gateway_and_only_its_document_signers(es256: SigningKey, ps256: SigningKey) -> None:
    rows = [
        {"kid": "AAAA", "certificateType": kind, "rawData": b64encode(key.signer.certificate).decode()}
        for kind, key in (("DSC", es256), ("CSCA", ps256))
    ]
    read = lists.parse(json.dumps(rows))
    assert [signer.certificate for signer in read.signers] == [es256.signer.certificate]
    assert read.signers[0].kid == b"\0\0\0"


@pytest.mark.parametrize(
    "document",
    ["", "{}", "[1]", "null", '{"certificates": {}}', "[" * 100_000],
    ids=["nothing", "empty", "numbers", "null", "map", "deep"],
)
def test_what_is_no_list_is_refused(document: str) -> None:
    with pytest.raises(Refused, match="not-a-trust-list"):
        lists.parse(document)


@pytest.mark.parametrize("raw", [None, 1, "*", "AAAA"], ids=["null", "number", "no Base64", "no certificate"])
def test_an_entry_that_cannot_be_used_is_skipped_aloud(raw: Any, es256: SigningKey) -> None:
    good = json.loads(TrustList([es256.signer]).gateway)
    read = lists.parse(json.dumps([{"rawData": raw}, *good]))
    assert len(read) == 1
    assert read.skipped[0].startswith("trust list, entry 0:")


def test_an_empty_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=str(tmp_path)):
        lists.load(tmp_path)


@pytest.mark.skipif(not GATEWAY.exists(), reason=f"no {GATEWAY}")
def test_every_certificate_of_a_real_list_of_the_world_can_be_read() -> None:
    methods = json.loads(GATEWAY.read_text("utf-8"))["verificationMethod"]
    chains = [method["publicKeyJwk"]["x5c"] for method in methods if "x5c" in method.get("publicKeyJwk", {})]
    read = lists.parse(json.dumps([{"rawData": chain[0]} for chain in chains]))
    assert len(chains) > 400
    assert read.skipped == ()


_CERTIFICATE = certified(ec.generate_private_key(ec.SECP256R1())).signer.certificate
