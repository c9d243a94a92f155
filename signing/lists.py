"""Trust lists as they are published, read from files: gateway JSON, signed text, DID documents, JWK Sets, certificates.

https://github.com/eu-digital-green-certificates/dgc-gateway — TrustListDto
https://www.rfc-editor.org/rfc/rfc7517#section-5 — JWK Set
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from signing import did, keystore, trust
from signing.did import Pin
from signing.keys import TOKEN_SUFFIX, State
from signing.refusal import Refused
from signing.trust import Authority, CardKey, TrustList

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SIGNED = re.compile(rb"[A-Za-z0-9+/=]{80,200}\s*[{\[]")
_SUFFIXES = (".pem", ".crt", ".cer", ".der", ".json", ".jwks", ".txt")
_AUTHORITIES = ("CSCA", "SCA")


def load(path: Path, pins: Sequence[Pin] = (), origin: str | None = None) -> TrustList:
    """Read a certificate (DER, or one or several in PEM), a trust list, or a folder of such files; also a keystore.

    `pins` are the keys that signed lists must be signed with; `origin` is the address that published a JWK Set, unless
    the set names it as `iss`. Entries that cannot be used are named in `skipped`; authorities among the certificates
    sign no documents: who is to be a signer in spite of that must be on a list in JSON. The compromised keys of a
    keystore are nobody's. Raise Refused when nothing is left, or when a signed list is not signed with one of `pins`;
    OSError when unreadable.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and not _of_keystore(file))
    merged = TrustList(())
    for file in files:
        merged |= _file(file, pins, origin, alone=not path.is_dir())
    if path.is_dir():
        merged = merged.without(kid for kid, state in keystore.states(path).items() if state == State.COMPROMISED)
    if not len(merged) and not merged.authorities:
        raise Refused("empty-trust-list", "; ".join((f"no usable signer certificate in {path}", *merged.skipped)))
    return merged


def parse(
    document: str | bytes, label: str = "trust list", pins: Sequence[Pin] = (), origin: str | None = None
) -> TrustList:
    """Read a trust list: gateway JSON (an array, or its `certificates`), a JWK Set, a DID document, or signed text.

    Raise Refused when it is none of these; single entries that cannot be used are named in `skipped`.
    """
    text = document.encode() if isinstance(document, str) else document
    if text.lstrip()[:1] not in (b"{", b"["):
        return _signed_text(text, label, pins)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("not-a-trust-list", f"{label} is not JSON ({error})") from None
    match content:
        case {"verificationMethod": list()}:
            return did.read(content, pins)
        case {"keys": list() as keys}:
            return _key_set(keys, label, content.get("iss", origin))
        case {"certificates": list() as rows} | [*rows] if all(isinstance(row, dict) for row in rows):
            return _gateway(rows, label)
        case _:
            raise Refused("not-a-trust-list", f"{label} holds no list of certificates")


def _of_keystore(file: Path) -> bool:
    """Return whether `file` belongs to the keys in a folder and names nobody to trust."""
    return file.name == keystore.STATES or file.name.endswith((TOKEN_SUFFIX, keystore.REQUEST_SUFFIX))


def _file(file: Path, pins: Sequence[Pin], origin: str | None, *, alone: bool) -> TrustList:
    content = file.read_bytes()
    if content.lstrip()[:1] in (b"{", b"["):
        return parse(content, file.name, pins, origin)
    certificates = [trust.base64(armored) for armored in _PEM.findall(content)]
    if not certificates and (b"PRIVATE KEY" in content or b"PUBLIC KEY" in content):
        return TrustList(())
    if not certificates and _SIGNED.match(content):
        return _signed_text(content, file.name, pins)
    if not certificates and file.suffix == ".txt" and not alone:
        return TrustList(())  # a note beside the lists
    return trust.collect(
        ((file.name, certificate, b"") for certificate in certificates or [content]), authorities=False
    )


def _gateway(rows: Sequence[Mapping[str, Any]], label: str) -> TrustList:
    found = trust.collect(
        (f"{label}, entry {number}", trust.base64(row.get("rawData")), trust.base64(row.get("kid")))
        for number, row in enumerate(row for row in rows if row.get("certificateType", "DSC") == "DSC")
    )
    above: list[Authority] = []
    skipped: list[str] = []
    for row in rows:
        if row.get("certificateType") in _AUTHORITIES:
            try:
                above.append(trust.authority(trust.base64(row.get("rawData"))))
            except Refused as refusal:
                skipped.append(f"{label}, authority: {refusal.detail}")
    return found | TrustList((), skipped, authorities=above)


def _key_set(keys: Sequence[Any], label: str, origin: Any) -> TrustList:
    found: list[CardKey] = []
    skipped: list[str] = []
    for number, key in enumerate(keys):
        try:
            if not isinstance(key, dict):
                raise Refused("unreadable-key", "is no JSON Web Key")
            found.append(trust.card_key(key, origin if isinstance(origin, str) else None))
        except Refused as refusal:
            skipped.append(f"{label}, key {number}: {refusal.detail}")
    return TrustList((), skipped, found)


def _signed_text(text: bytes, label: str, pins: Sequence[Pin]) -> TrustList:
    """Read a line with a signature in Base64 (ECDSA with SHA-256: r and s, or DER) and the JSON that it signs."""
    signature, _, signed = text.partition(b"\n")
    if signed.lstrip()[:1] not in (b"{", b"["):
        raise Refused("not-a-trust-list", f"{label} is neither JSON nor a signature above JSON")
    if not pins:
        raise Refused("list-not-pinned", f"{label} is signed: name the key that it must be signed with")
    raw = trust.base64(signature.strip())
    if not any(_signed_with(pin, raw, part) for pin in pins for part in (signed, signed.strip())):
        raise Refused("list-signature", f"{label} is not signed with a key that is pinned, or was altered")
    return parse(signed, label)


def _signed_with(pin: Pin, signature: bytes, signed: bytes) -> bool:
    if not isinstance(pin.key, EllipticCurvePublicKey):
        return False
    half = (pin.key.key_size + 7) // 8
    if len(signature) == 2 * half:
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        signature = encode_dss_signature(r, s)
    try:
        pin.key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
