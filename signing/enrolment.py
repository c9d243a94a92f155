"""How a key gets its certificate: a request to an authority, and the certificate that comes back.

https://www.rfc-editor.org/rfc/rfc2986 (PKCS #10) and
https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#52-certificate-requirements

The key is made here, or is in a hardware security module: then a file `LABEL.pkcs11.json` names it.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from signing import hsm, keys, keystore, vdsnc
from signing.algorithms import ES256, algorithm
from signing.keys import CERTIFICATE_SUFFIX, KEY_SUFFIX, TOKEN_SUFFIX, SigningKey, State
from signing.keystore import AUTHORITY, NONE, REQUEST_SUFFIX, Secrets
from signing.refusal import Refused
from signing.trust import DocumentSigner, document_signer
from signing.verification import kinds_allowed

# What a signer's certificate is for: documents on paper too; vaccination certificates (HCERT A.4) and digital seals.
DOCUMENTS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    **dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement"), False),
    **dict.fromkeys(("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False),
)
APPOINTED = x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, ("1.3.6.1.4.1.1847.2021.1.2", vdsnc.SIGNER_USAGE)))
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def request(folder: Path, name: x509.Name, code: int, label: str, secrets: Secrets = NONE) -> bytes:
    """Make a key for the algorithm `code`, or take the one in a token; return the request (CSR, PEM) for the authority.

    The key waits for its certificate. Raise Refused when `label` is taken or no name for files, when `name` has no
    country (HCERT 5), when the algorithm is unknown or not that of the token's key; OSError when the folder cannot be
    written.
    """
    if not _LABEL.fullmatch(label) or label.startswith(AUTHORITY):
        raise Refused("label", f"a label is letters, digits, dots and hyphens, and does not begin with {AUTHORITY}")
    if len(name.get_attributes_for_oid(NameOID.COUNTRY_NAME)) != 1:
        raise Refused("subject", "the subject names no country: verifiers look for C=VN")
    if (folder / f"{label}{CERTIFICATE_SUFFIX}").exists():
        raise Refused("key-exists", f"the key {label} in {folder} has its certificate already")
    description = folder / f"{label}{TOKEN_SUFFIX}"
    if description.exists():
        written = _by_token(hsm.read(description.read_bytes(), secrets.pin, code), name, code)
    else:
        key = keystore.generate(code)
        written = _wish(name).sign(key, SHA256()).public_bytes(Encoding.PEM)
        keystore.write_key(folder, label, key, secrets.passphrase)
    keystore.write(folder / f"{label}{REQUEST_SUFFIX}", written)
    return written


def accept(folder: Path, certificates: bytes, now: datetime, secrets: Secrets = NONE) -> SigningKey:
    """Join the certificate that an authority made with the key that waits for it; the key becomes next.

    `certificates` is PEM, also of a whole chain in any order, or one in DER. Raise Refused when no waiting key is its
    pair, or the certificate ended before `now` or cannot sign vaccination certificates.
    """
    found = [document_signer(each) for each in keys.certificates(certificates)]
    for label in waiting(folder):
        asked = x509.load_pem_x509_csr((folder / f"{label}{REQUEST_SUFFIX}").read_bytes()).public_key()
        signer = next((each for each in found if each.public_key == asked), None)
        if signer:
            _require_usable(signer, now)
            made = _joined(folder, label, signer.certificate, secrets)
            # Before the certificate: it must not sign at once.
            keystore.write_states(folder, {made.kid.hex(): State.NEXT})
            pem = x509.load_der_x509_certificate(signer.certificate).public_bytes(Encoding.PEM)
            keystore.write(folder / f"{label}{CERTIFICATE_SUFFIX}", pem)
            (folder / f"{label}{REQUEST_SUFFIX}").unlink()
            return made
    raise Refused("key-mismatch", f"no key in {folder} waits for this certificate")


def waiting(folder: Path) -> tuple[str, ...]:
    """Return the labels of the keys that wait for their certificates."""
    return tuple(file.name.removesuffix(REQUEST_SUFFIX) for file in sorted(folder.glob(f"*{REQUEST_SUFFIX}")))


def _joined(folder: Path, label: str, certificate: bytes, secrets: Secrets) -> SigningKey:
    if (folder / f"{label}{TOKEN_SUFFIX}").exists():
        return keystore.token_key(folder, label, certificate, State.NEXT, secrets)
    key = keystore.read_key((folder / f"{label}{KEY_SUFFIX}").read_bytes(), secrets.passphrase)
    return keys.signing_key(key, certificate, State.NEXT)


def _wish(name: x509.Name) -> x509.CertificateSigningRequestBuilder:
    wished = x509.CertificateSigningRequestBuilder().subject_name(name)
    return wished.add_extension(DOCUMENTS, critical=True).add_extension(APPOINTED, critical=False)


def _by_token(token: hsm.TokenKey, name: x509.Name, code: int) -> bytes:
    """Return the request of a key in a token: that of a key of the moment, with another key and signature."""
    from asn1crypto import csr
    from asn1crypto.keys import PublicKeyInfo

    public_key = token.public_key()
    if algorithm(public_key) != code:
        raise Refused("key-type", "the key in the token is for another algorithm")
    made = csr.CertificationRequest.load(
        _wish(name).sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.DER)
    )
    info = made["certification_request_info"]
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info["subject_pk_info"] = PublicKeyInfo.load(spki)
    signature = token.cose_signature(info.dump(force=True))
    if code == ES256:
        signature = encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))
    whole = csr.CertificationRequest(
        {"certification_request_info": info, "signature_algorithm": _mechanism(code), "signature": signature}
    )
    return x509.load_der_x509_csr(whole.dump()).public_bytes(Encoding.PEM)


def _mechanism(code: int) -> dict[str, Any]:
    if code == ES256:
        return {"algorithm": "sha256_ecdsa"}
    mask = {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}}
    parameters = {"hash_algorithm": {"algorithm": "sha256"}, "mask_gen_algorithm": mask, "salt_length": 32}
    return {"algorithm": "rsassa_pss", "parameters": parameters}


def _require_usable(signer: DocumentSigner, now: datetime) -> None:
    if now > signer.not_after:
        keystore.require_valid(signer, now)
    kinds = kinds_allowed(signer.extended_key_usage)
    if not signer.signs_documents or (kinds and "v" not in kinds):
        raise Refused("key-usage", "by its key usage the certificate is not for vaccination certificates")
