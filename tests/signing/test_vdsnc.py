"""ICAO Technical Report VDS-NC — canonical JSON, a signature, and a certificate that a country vouches for"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from signing import development, jcs, revocation, trust, vdsnc
from signing.jwk import base64url, unbase64url
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.trust import TrustList
from signing.verification import Verification
from signing.verify import verify
from tests.signing.conftest import NOW, certified, p256, self_signed
from tests.signing.countries import Country

MESSAGE: dict[str, Any] = {
    "uvci": "VN0123456789",
    "pid": {"n": "NGUYEN BAO DUY", "dob": "1998-02-26", "sex": "M", "i": "C1234567"},
    "ve": [
        {"des": "XM68M6", "nam": "Comirnaty", "dis": "RA01.0", "vd": [{"dvc": "2026-09-18", "seq": 1, "ctr": "VNM"}]}
    ],
}


def country(authority: development.Authority) -> TrustList:
    """Return a list with the country's authority and no signer."""
    return TrustList((), authorities=[trust.authority(authority.certificate.public_bytes(Encoding.DER))])


def codes(found: Verification) -> dict[str, str]:
    return {stage.stage: stage.code for stage in found.stages if stage.ok is False}


def test_a_seal_is_valid_when_its_country_vouches_for_the_signer(
    es256: SigningKey, authority: development.Authority
) -> None:
    text = vdsnc.issue(MESSAGE, es256, NOW, "VNM")
    found = verify(text, country(authority), NOW)
    assert (found.valid, found.content, found.issuer, found.format) == (True, MESSAGE, "VNM", "vds-nc")
    assert {stage.stage for stage in found.stages if stage.code == "not-applicable"} == {"base45", "inflate", "claims"}


def test_a_seal_is_valid_when_its_signer_is_listed(es256: SigningKey) -> None:
    assert verify(vdsnc.issue(MESSAGE, es256, NOW, "VNM"), TrustList([es256.signer]), NOW).valid


def test_an_authority_of_another_country_or_name_vouches_for_nobody(es256: SigningKey) -> None:
    others = [development.authority(NOW - timedelta(days=10)), development.authority(NOW, "LA")]
    for other in others:
        assert codes(verify(vdsnc.issue(MESSAGE, es256, NOW, "VNM"), country(other), NOW)) == {"key": "unknown-signer"}


def change(**parts: Any) -> Callable[[dict[str, Any]], None]:
    def changed(seal: dict[str, Any]) -> None:
        for path, value in parts.items():
            where: Any = seal
            *way, last = path.split("_")
            for step in way:
                where = where[step]
            where[last] = value

    return changed


TRAPS: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "another name": (change(data_msg_pid={"n": "X"}), "signature", "bad-signature"),
    "another country": (change(data_hdr_is="LAO"), "signature", "bad-signature"),
    "a member more": (change(data_x=1), "signature", "bad-signature"),
    "no signature": (change(sig_sigvl=""), "signature", "bad-signature"),
    "signature is no Base64url": (change(sig_sigvl="*"), "cbor", "not-base64url"),
    "no data": (change(data=None), "cbor", "not-vds-nc"),
    "no certificate": (change(sig_cer=None), "key", "kid-missing"),
    "certificate is none": (change(sig_cer="AAAA"), "key", "not-a-certificate"),
    "ES384 with P-256": (change(sig_alg="ES384"), "key", "key-type-mismatch"),
    "RS256": (change(sig_alg="RS256"), "algorithm", "unsupported-algorithm"),
    "no algorithm": (change(sig_alg=None), "algorithm", "unsupported-algorithm"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_are_refused_for_the_right_reason(trap: str, es256: SigningKey, authority: development.Authority) -> None:
    make, stage, code = TRAPS[trap]
    seal = json.loads(vdsnc.issue(MESSAGE, es256, NOW, "VNM"))
    make(seal)
    found = verify(json.dumps(seal), country(authority), NOW)
    assert (found.valid, codes(found).get(stage)) == (False, code)


@pytest.mark.parametrize("text", ["{", "{}", '{"data":1}', '{"data":{},"data":{}}', '{"a":1e999}', '{"a":"\ud800"}'])
def test_what_is_no_seal_is_refused(text: str) -> None:
    found = verify(text, TrustList(()), NOW)
    assert found.failure is not None
    assert found.failure.stage in ("cbor", "prefix")


def test_the_order_of_members_and_white_space_do_not_matter(es256: SigningKey) -> None:
    seal = json.loads(vdsnc.issue(MESSAGE, es256, NOW, "VNM"))
    turned = {name: seal[name] for name in reversed(seal)}
    assert verify(json.dumps(turned, indent=1), TrustList([es256.signer]), NOW).valid


def test_longer_keys_sign_with_longer_digests() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = self_signed(key)
    data = {"hdr": {"t": vdsnc.TEST, "v": 1, "is": "VNM"}, "msg": MESSAGE}
    r, s = decode_dss_signature(key.sign(jcs.canonical(data), ec.ECDSA(SHA384())))
    signature = base64url(r.to_bytes(48, "big") + s.to_bytes(48, "big"))
    text = json.dumps({"data": data, "sig": {"alg": "ES384", "cer": base64url(certificate), "sigvl": signature}})
    assert verify(text, TrustList([trust.document_signer(certificate)]), NOW).valid


def test_a_signer_that_ended_is_refused(es256: SigningKey) -> None:
    found = verify(vdsnc.issue(MESSAGE, es256, NOW, "VNM"), TrustList([es256.signer]), NOW + timedelta(days=900))
    assert codes(found) == {"signer-validity": "signer-expired"}


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ([(-30, -1)], {"signer-validity": "signer-expired"}),
        ([(1, 30)], {"signer-validity": "signer-not-yet-valid"}),
        ([(-30, -1), (-5, 30)], {}),
    ],
    ids=["that ended", "that begins tomorrow", "that was renewed"],
)
def test_an_authority_vouches_no_longer_than_for_itself(
    periods: list[tuple[int, int]], expected: dict[str, str], es256: SigningKey, authority: development.Authority
) -> None:
    [above] = country(authority).authorities
    listed = [
        above._replace(not_before=NOW + timedelta(days=since), not_after=NOW + timedelta(days=until))
        for since, until in periods
    ]
    found = verify(vdsnc.issue(MESSAGE, es256, NOW, "VNM"), TrustList((), authorities=listed), NOW)
    assert (found.valid, codes(found)) == (not expected, expected)


def test_a_signer_of_tests_signs_no_vaccination() -> None:
    key = certified(p256(), ["1.3.6.1.4.1.1847.2021.1.1"])
    assert codes(verify(vdsnc.issue(MESSAGE, key, NOW, "VNM"), TrustList([key.signer]), NOW)) == {
        "key-usage": "wrong-key-usage"
    }


@pytest.mark.parametrize("type", ["icao.visa", None, ["icao.vacc"]], ids=str)
def test_other_seals_are_no_health_certificates(type: Any, es256: SigningKey) -> None:
    text = vdsnc.issue(MESSAGE, es256, NOW, "VNM", type)
    assert codes(verify(text, TrustList([es256.signer]), NOW)) == {"content": "no-certificate"}


@pytest.mark.parametrize("by", ["UCI", "COUNTRYCODEUCI", "SIGNATURE"])
def test_a_seal_is_revoked_by_each_hash(by: str, es256: SigningKey) -> None:
    text = vdsnc.issue(MESSAGE, es256, NOW, "VNM")
    hashes = dict(revocation.hashes("VNM", [MESSAGE["uvci"]], vdsnc.parse(text).signature, halved=True))
    revoked = revocation.Revoked([hashes[by]])  # type: ignore[index]
    assert codes(verify(text, TrustList([es256.signer]), NOW, revoked=revoked)) == {"revocation": "revoked"}


def test_other_keys_sign_no_seal(ps256: SigningKey, es256: SigningKey) -> None:
    with pytest.raises(Refused, match="key-type"):
        vdsnc.issue(MESSAGE, ps256, NOW, "VNM")
    with pytest.raises(Refused, match="signer-not-valid"):
        vdsnc.issue(MESSAGE, es256, NOW + timedelta(days=900), "VNM")


def test_the_certificate_inside_is_read_by_strict_readers(es256: SigningKey) -> None:
    assert x509.load_der_x509_certificate(vdsnc.parse(vdsnc.issue(MESSAGE, es256, NOW, "VNM")).certificate)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below zero
def test_a_damaged_certificate_inside_is_refused_and_breaks_nothing() -> None:
    above = Country(NOW)
    seal = json.loads(above.signer().seal(MESSAGE))
    whole = unbase64url(seal["sig"]["cer"])
    listed = TrustList((), authorities=[above.authority()])
    assert verify(json.dumps(seal), listed, NOW).valid
    for place in range(len(whole)):
        for mask in (0x02, 0x08, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            seal["sig"]["cer"] = base64url(bytes(damaged))
            assert not verify(json.dumps(seal), listed, NOW).valid
