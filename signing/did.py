"""Trust lists of the WHO's certification network (GDHCN v2): DID documents, their proof checked, written and read.

https://smart.who.int/trust/concepts_did_gdhcn.html and https://w3c-ccg.github.io/lds-jws2020/

The proof is over the RDF of the document in canonical form (URDNA2015). These documents have one shape, in which every
node has a name but the proof: so the canonical form is the sorted list of statements below, and a document with any
other member is refused rather than left out of what the proof covers.
"""

import json
import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from signing import jcs, jwk, trust
from signing.algorithms import PublicKey
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.trust import Authority, DocumentSigner, TrustList

_SECURITY, _RDF = "https://w3id.org/security#", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DID, _JWS = "https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"
_TRUST = "https://smart.who.int/trust/"
_ENVIRONMENTS = {  # the third context says of which environment the code lists are
    f"{_TRUST}tng-context/v1.jsonld": "",
    f"{_TRUST}tng-context/v1-UAT.jsonld": "-UAT",
    f"{_TRUST}tng-context/v1-DEV.jsonld": "-DEV",
}
_LISTS = {"domain": "ValueSet-Domains", "participant": "ValueSet-Participants", "keyusage": "ValueSet-KeyUsage"}
_DOCUMENT = {"@context", "id", "controller", "verificationMethod", "proof"}
_METHOD = {"id", "type", "controller", "publicKeyJwk", *_LISTS}
_PROOF = {"type", "created", "nonce", "proofPurpose", "verificationMethod", "jws"}
_HEADER = {"b64": False, "crit": ["b64"], "alg": "ES256"}
_BLANK = "_:c14n0"
_SIGNERS, _AUTHORITIES = "#DSC", "#CSCA"
_CODE = re.compile(r"#[A-Za-z0-9_-]{1,32}", re.ASCII)


class Pin(NamedTuple):
    """A key that signed lists must be signed with, and the identifier it goes by (None: any)."""

    key: PublicKey
    id: str | None = None


def pins(content: bytes) -> tuple[Pin, ...]:
    """Read pinned keys: the DID document of a list's signer, or a public key or certificate in PEM, or a key in Base64.

    Such a document vouches for itself only: get it from somewhere you trust. Raise Refused when it holds no key.
    """
    try:
        if content.lstrip()[:1] == b"{":
            return tuple(
                Pin(jwk.read(method["publicKeyJwk"]), str(method["id"]).partition("#")[0])
                for method in json.loads(content)["verificationMethod"]
            )
        key = _public_key(content)
    except Refused:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused("unreadable-key", f"the file holds no public key to pin ({type(error).__name__})") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise Refused("key-type", "lists are signed with elliptic curve keys")
    return (Pin(key),)


def _public_key(content: bytes) -> object:
    if b"BEGIN CERTIFICATE" in content:
        return load_pem_x509_certificate(content).public_key()
    if b"-----BEGIN" in content:
        return load_pem_public_key(content)
    return load_der_public_key(b64decode(content))


def read(document: Mapping[str, Any], pinned: Sequence[Pin]) -> TrustList:
    """Return whom a DID document lists, once its proof is found to be made with one of `pinned`.

    References to other documents are named in `skipped`, never followed. Raise Refused when the proof is missing,
    wrong or made with another key.
    """
    check(document, pinned)
    found = TrustList(())
    for number, method in enumerate(document["verificationMethod"]):
        found |= _listed(method, f"verification method {number}")
    return found


def check(document: Mapping[str, Any], pinned: Sequence[Pin]) -> None:
    """Raise Refused unless the proof of `document` was made with one of the keys in `pinned`, by the name it has."""
    proof = document.get("proof")
    if not isinstance(proof, dict) or not isinstance(proof.get("jws"), str):
        raise Refused("did-proof-missing", "the DID document has no proof")
    known = [pin.key for pin in pinned if pin.id in (None, proof.get("verificationMethod"))]
    if not known:
        raise Refused("list-not-pinned", f"no key is pinned for {proof.get('verificationMethod')!r:.200}")
    header, _, signature = proof["jws"].partition("..")
    try:
        raw = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        if json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))) != _HEADER:
            raise ValueError("another header")
        signed = b".".join((header.encode(), _digests(document, proof)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refused("did-proof", "the proof of the DID document is not a JsonWebSignature2020 with ES256") from None
    if not any(_verifies(key, raw, signed) for key in known):
        raise Refused("did-proof", "the DID document was altered, or its proof was not made by the key that is pinned")


def write(
    trusted: TrustList, id: str, key: SigningKey, now: datetime, nonce: str, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the DID document that lists the signers and authorities of `trusted`, with a proof made by `key`.

    `id` is `did:web:…`; `names` gives the code of each country in the list of participants (VN: VNM), whatever is
    missing stands as it is. The key of the proof is pinned by whoever reads it: `id` with `#` and its thumbprint.
    """
    methods = [_method(id, signer.kid, _SIGNERS, signer, names) for signer in trusted.signers]
    for above in trusted.authorities:
        methods.append(_method(id, sha256(above.certificate).digest()[:8], _AUTHORITIES, above, names))
    document: dict[str, Any] = {
        "@context": [_DID, _JWS, next(iter(_ENVIRONMENTS))],
        "id": id,
        "controller": id,
        "verificationMethod": methods,
    }
    proof = {
        "type": "JsonWebSignature2020",
        "created": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "nonce": nonce,
        "proofPurpose": "assertionMethod",
        "verificationMethod": id,
    }
    header = jwk.base64url(json.dumps(_HEADER, separators=(",", ":")).encode())
    signature = key.sign(header.encode() + b"." + _digests(document, proof))
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    return {**document, "proof": {**proof, "jws": f"{header}..{jwk.base64url(encode_dss_signature(r, s))}"}}


def _method(
    id: str, kid: bytes, usage: str, listed: DocumentSigner | Authority, names: Mapping[str, str]
) -> dict[str, Any]:
    text = b64encode(kid).decode()
    country = names.get(listed.country or "", listed.country or "-")
    members = jwk.members(trust.document_signer(listed.certificate).public_key)
    return {
        "id": f"{id}:DCC:{country}:{usage.removeprefix('#C').removeprefix('#')}#{text}",
        "type": "JsonWebKey2020",
        "controller": id,
        "publicKeyJwk": {**members, "kid": text, "x5c": [b64encode(listed.certificate).decode()]},
        "domain": {"code": "#DCC"},
        "participant": {"code": f"#{country}"},
        "keyusage": {"code": usage},
    }


def _listed(method: Any, label: str) -> TrustList:
    if isinstance(method, str):
        return TrustList((), [f"{label} refers to {method:.200}, which is not followed"])
    key = method["publicKeyJwk"]
    try:
        chain = [trust.base64(text) for text in key.get("x5c", ())]
        if not chain:
            raise Refused("not-a-certificate", "has no certificate (x5c)")
        usage = method["keyusage"]["code"] if "keyusage" in method else _SIGNERS
        if usage == _AUTHORITIES:
            return TrustList((), authorities=[trust.authority(chain[0])])
        signer = trust.document_signer(chain[0], trust.base64(key.get("kid")) or None)
        if not _same(key, signer.public_key):
            raise Refused("key-mismatch", "names another key than its certificate")
    except (Refused, TypeError) as refusal:
        return TrustList((), [f"{label}: {refusal}"])
    if usage != _SIGNERS:
        return TrustList((), [f"{label} is for {usage}, not for signing certificates"])
    return TrustList([signer])


def _same(parts: Mapping[str, Any], key: PublicKey) -> bool:
    """Return whether the numbers of a JWK are those of `key`: some are padded, some lie on an "UNKNOWN CURVE"."""
    return all(
        jwk.integer(parts.get(name)) == jwk.integer(value)
        for name, value in jwk.members(key).items()
        if name not in ("kty", "crv")
    )


def _verifies(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    if not isinstance(key, EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _digests(document: Mapping[str, Any], proof: Mapping[str, Any]) -> bytes:
    """Return SHA-256 of the proof's statements and of the document's, one after the other; ValueError if not RDF."""
    context = document.get("@context")
    if not isinstance(context, list) or context[:2] != [_DID, _JWS] or len(context) != 3:
        raise ValueError("another context")
    environment = _ENVIRONMENTS.get(context[2])
    if environment is None or set(document) - _DOCUMENT or set(proof) - _PROOF:
        raise ValueError("another shape")
    return b"".join(
        sha256("".join(sorted(set(statements))).encode()).digest()
        for statements in (_proof(proof), _document(document, environment))
    )


def _document(document: Mapping[str, Any], environment: str) -> Iterator[str]:
    id = document["id"]
    if "controller" in document:
        yield _statement(_iri(id), f"{_SECURITY}controller", _iri(document["controller"]))
    for method in document["verificationMethod"]:
        name = method if isinstance(method, str) else method["id"]
        yield _statement(_iri(id), f"{_SECURITY}verificationMethod", _iri(name))
        if isinstance(method, dict):
            yield from _statements(method, environment)


def _statements(method: Mapping[str, Any], environment: str) -> Iterator[str]:
    if set(method) - _METHOD or method["type"] != "JsonWebKey2020":
        raise ValueError("another shape")
    node = _iri(method["id"])
    yield _statement(node, f"{_RDF}type", _iri(f"{_SECURITY}JsonWebKey2020"))
    yield _statement(node, f"{_SECURITY}controller", _iri(method["controller"]))
    key = _literal(jcs.canonical(method["publicKeyJwk"]).decode(), f"{_RDF}JSON")
    yield _statement(node, f"{_SECURITY}publicKeyJwk", key)
    for member, codes in _LISTS.items():
        if member in method:
            codes = f"{_TRUST}{codes}{environment}.jsonld"
            yield _statement(node, codes, _iri(codes + _code(method[member])))


def _code(coded: Any) -> str:
    """Return the code in `{"code": "#DSC"}`, its mark included."""
    match coded:
        case {"code": str() as code, **others} if not others and _CODE.fullmatch(code):
            return code
        case _:
            raise ValueError("another shape")


def _proof(proof: Mapping[str, Any]) -> Iterator[str]:
    if proof.get("type") != "JsonWebSignature2020" or proof.get("proofPurpose") != "assertionMethod":
        raise ValueError("another proof")
    created = _literal(proof["created"], "http://www.w3.org/2001/XMLSchema#dateTime")
    yield _statement(_BLANK, f"{_RDF}type", _iri(f"{_SECURITY}JsonWebSignature2020"))
    yield _statement(_BLANK, "http://purl.org/dc/terms/created", created)
    if "nonce" in proof:
        yield _statement(_BLANK, f"{_SECURITY}nonce", _literal(proof["nonce"]))
    yield _statement(_BLANK, f"{_SECURITY}proofPurpose", _iri(f"{_SECURITY}assertionMethod"))
    yield _statement(_BLANK, f"{_SECURITY}verificationMethod", _iri(proof["verificationMethod"]))


def _statement(subject: str, predicate: str, object: str) -> str:
    return f"{subject} <{predicate}> {object} .\n"


def _iri(text: Any) -> str:
    if not isinstance(text, str) or any(character in '<>"{}|^`\\' or character <= " " for character in text):
        raise ValueError("no identifier")
    return f"<{text}>"


def _literal(text: Any, type: str | None = None) -> str:
    if not isinstance(text, str):
        raise ValueError("no text")
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return f'"{text}"^^<{type}>' if type else f'"{text}"'
