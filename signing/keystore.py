"""A folder of signing keys over time: which one signs, which one comes next, which ones only verify.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models and RFC 2986 (requests)

    NAME.key.pem + NAME.cert.pem       a private key (PKCS #8, encrypted when there is a passphrase) and its certificate
    NAME.key.pem + NAME.csr.pem        a key that waits for its certificate
    NAME.pkcs11.json + NAME.cert.pem   a key in a hardware security module
    states.json                        {kid: state}; a key that it does not name is current

Files are written beside and renamed, so that a process that reads at this moment sees the old or the new, never half.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from signing import hsm, keys
from signing.algorithms import ES256, PS256, PrivateKey, verifies
from signing.keys import CERTIFICATE_SUFFIX, KEY_SUFFIX, TOKEN_SUFFIX, SignerSet, SigningKey, State
from signing.refusal import Refused
from signing.trust import DocumentSigner, document_signer

REQUEST_SUFFIX = ".csr.pem"
STATES = "states.json"
_PROBE = b"is this key the pair of this certificate"
AUTHORITY = "csca"  # begins the names of the files of an authority, which is no signer


class Secrets(NamedTuple):
    """What opens a keystore: the passphrase of its files, the PIN of its token."""

    passphrase: bytes | None = None
    pin: str | None = None

    def __repr__(self) -> str:
        return "Secrets(…)"


NONE = Secrets()


def load(folder: Path, secrets: Secrets = NONE) -> SignerSet:
    """Read every key of `folder` that has a certificate, certificate authorities left out.

    Raise Refused naming the file when one cannot be used or when there is none; OSError when unreadable.
    """
    found = [key for _, key in _entries(folder, secrets)]
    if not found:
        raise Refused("no-signer", f"no signing key (*{KEY_SUFFIX} beside *{CERTIFICATE_SUFFIX}) in {folder}")
    return SignerSet(found)


def rotate(folder: Path, now: datetime, secrets: Secrets = NONE) -> tuple[SigningKey, ...]:
    """Make every key that is next the current one of its algorithm; return those. What was current is retired.

    Raise Refused when no key is next, or one could not sign at `now`.
    """
    held = load(folder, secrets).keys
    coming = tuple(key for key in held if key.state == State.NEXT)
    if not coming:
        raise Refused("no-next-key", "no key is next: make one or import its certificate first")
    for key in coming:
        require_valid(key.signer, now)
    algorithms = {key.algorithm for key in coming}
    leaving = [key for key in held if key.state == State.CURRENT and key.algorithm in algorithms]
    changed = {key.kid.hex(): State.RETIRED for key in leaving} | {key.kid.hex(): State.CURRENT for key in coming}
    write_states(folder, changed)
    return coming


def compromise(folder: Path, kid: str) -> None:
    """Mark a key as compromised: it neither signs nor verifies any more. Raise Refused when it is not there."""
    if kid not in {document_signer(_der(file)).kid.hex() for file in folder.glob(f"*{CERTIFICATE_SUFFIX}")}:
        raise Refused("no-such-key", f"no key {kid[:32]} in {folder}")
    write_states(folder, {kid: State.COMPROMISED})


def require_valid(signer: DocumentSigner, now: datetime) -> None:
    """Raise Refused unless the certificate of `signer` covers `now`."""
    if not signer.not_before <= now <= signer.not_after:
        period = f"{signer.not_before.isoformat()} to {signer.not_after.isoformat()}"
        raise Refused("signer-not-valid", f"the certificate of {signer.kid.hex()} is valid from {period}, not now")


def generate(algorithm: int, rsa_bits: int = 3072) -> PrivateKey:
    """Return a new key for ES256 (P-256) or PS256 (RSA); raise Refused for another algorithm."""
    match algorithm:
        case -7:
            return ec.generate_private_key(ec.SECP256R1())
        case -37:
            return rsa.generate_private_key(65537, rsa_bits)
        case _:
            raise Refused("algorithm", f"{algorithm} is neither ES256 ({ES256}) nor PS256 ({PS256})")


def read_key(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    """Read a private key; raise Refused, without a word of its content, when it cannot be."""
    try:
        key = load_pem_private_key(pem, passphrase if b"ENCRYPTED" in pem else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = "the passphrase is missing or wrong" if b"ENCRYPTED" in pem else "it is no PEM private key"
        raise Refused("unreadable-key", f"the private key cannot be read: {why}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Refused("key-type", "health certificates are signed with P-256 or with RSA of at least 2,048 bits")
    return key


def write_key(folder: Path, label: str, key: PrivateKey, passphrase: bytes | None) -> None:
    """Write a private key with mode 0600, encrypted when there is a passphrase; raise Refused when `label` is taken."""
    locked: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(folder / f"{label}{KEY_SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused("key-exists", f"there is a key {label} in {folder} already") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(name, path)


def write_states(folder: Path, changed: Mapping[str, State]) -> None:
    """Note the states of keys, by kid in hexadecimal; those of the others stay."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    told = {**states(folder), **changed}
    write(folder / STATES, json.dumps(dict(sorted(told.items())), indent=1).encode())


def token_key(folder: Path, label: str, certificate: bytes, state: State, secrets: Secrets) -> SigningKey:
    """Join a key in a token with its DER certificate; raise Refused when it cannot be used or they are no pair."""
    signer = document_signer(certificate)
    token = hsm.read((folder / f"{label}{TOKEN_SUFFIX}").read_bytes(), secrets.pin, signer.algorithm or 0)
    made = keys.token_key(token, certificate, state)
    if not verifies(signer.public_key, made.sign(_PROBE), _PROBE):  # a label in a token is easily mistaken
        raise Refused("key-mismatch", "the certificate was made for another key than the one in the token")
    return made


def states(folder: Path) -> dict[str, State]:
    """Return the states of the keys in `folder` by kid in hexadecimal; raise Refused when they cannot be read."""
    try:
        told = json.loads((folder / STATES).read_bytes())
        return {str(kid): State(state) for kid, state in told.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        raise Refused(
            "states", f"{STATES} in {folder} cannot be read: {{kid: next|current|retired|compromised}}"
        ) from None


def _entries(folder: Path, secrets: Secrets) -> Iterator[tuple[str, SigningKey]]:
    told = states(folder)
    for file in sorted(folder.glob(f"*{CERTIFICATE_SUFFIX}")):
        label = file.name.removesuffix(CERTIFICATE_SUFFIX)
        key_file, token_file = folder / f"{label}{KEY_SUFFIX}", folder / f"{label}{TOKEN_SUFFIX}"
        if label.startswith(AUTHORITY) or not (key_file.exists() or token_file.exists()):
            continue
        try:
            certificate = _der(file)
            signer = document_signer(certificate)
            state = told.get(signer.kid.hex(), State.CURRENT)
            if key_file.exists():
                yield label, keys.signing_key(read_key(key_file.read_bytes(), secrets.passphrase), certificate, state)
            else:
                yield label, token_key(folder, label, certificate, state, secrets)
        except Refused as refusal:
            raise Refused(refusal.code, f"{label}: {refusal.detail}") from None


def _der(file: Path) -> bytes:
    return keys.unarmored(file.read_bytes())
