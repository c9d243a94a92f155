"""Keys that stay in a hardware security module, used through PKCS #11.

https://docs.oasis-open.org/pkcs11/pkcs11-base/v3.0/pkcs11-base-v3.0.html — needs the extra `hsm` (python-pkcs11)

A file `NAME.pkcs11.json` beside `NAME.cert.pem` says where the key is:
`{"module": "/usr/lib/softhsm/libsofthsm2.so", "token": "ministry", "label": "dsc-2026"}`. The PIN is never in a file of
the keystore.
"""

import json
import threading
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signing.algorithms import ES256, PublicKey
from signing.refusal import Refused

_SALT = 32


class TokenKey:
    """A private key in a token: signs there, and never leaves it."""

    def __init__(self, module: str, token: str, label: str, pin: str, algorithm: int):
        self._pkcs11 = _library()
        self._algorithm, self._label = algorithm, label
        try:
            self._session, self._lock = _session(module, token, pin)
            self._key = self._found(self._pkcs11.ObjectClass.PRIVATE_KEY)
        except (self._pkcs11.PKCS11Error, RuntimeError) as error:
            # What the library says may hold the PIN: only the kind of failure is told.
            raise Refused(
                "token", f"the key {label!r} in token {token!r} cannot be used ({type(error).__name__})"
            ) from None

    def public_key(self) -> PublicKey:
        """Return the public half, which the token keeps under the same label; raise Refused when it does not."""
        from pkcs11.util.ec import encode_ec_public_key
        from pkcs11.util.rsa import encode_rsa_public_key

        try:
            held = self._found(self._pkcs11.ObjectClass.PUBLIC_KEY)
            with self._lock:
                encoded = (encode_ec_public_key if self._algorithm == ES256 else encode_rsa_public_key)(held)
            found = load_der_public_key(encoded)
        except (self._pkcs11.PKCS11Error, KeyError, TypeError, ValueError) as error:
            raise Refused(
                "token", f"the token has no public key {self._label!r} of this algorithm ({type(error).__name__})"
            ) from None
        if not isinstance(found, EllipticCurvePublicKey | RSAPublicKey):
            raise Refused("token", f"the public key {self._label!r} is neither elliptic curve nor RSA")
        return found

    def _found(self, kind: Any) -> Any:
        with self._lock:
            return self._session.get_key(object_class=kind, label=self._label)

    def cose_signature(self, data: bytes) -> bytes:
        """Return r and s in 64 bytes, or the RSA-PSS signature; raise Refused when the device does not sign."""
        digest = sha256(data).digest()
        kinds, mechanisms = self._pkcs11.mechanisms, self._pkcs11.Mechanism
        try:
            with self._lock:
                if self._algorithm == ES256:
                    return bytes(self._key.sign(digest, mechanism=mechanisms.ECDSA))
                parameters = (mechanisms.SHA256, kinds.MGF.SHA256, _SALT)
                return bytes(self._key.sign(digest, mechanism=mechanisms.RSA_PKCS_PSS, mechanism_param=parameters))
        except self._pkcs11.PKCS11Error as error:
            raise Refused("token", f"the token does not sign ({type(error).__name__})") from None


def read(description: bytes, pin: str | None, algorithm: int) -> TokenKey:
    """Return the key that a `.pkcs11.json` file describes; raise Refused when it cannot be used."""
    try:
        told = json.loads(description)
        module, token, label = (str(told[name]) for name in ("module", "token", "label"))
    except (ValueError, TypeError, KeyError):
        raise Refused("token", "a token is described by module, token and label") from None
    if pin is None:
        raise Refused("token", "the token asks for a PIN, and none was given")
    return TokenKey(module, token, label, pin, algorithm)


@cache  # a process logs in to a token once; all its keys, and those read again after a rotation, share the session
def _session(module: str, token: str, pin: str) -> tuple[Any, threading.Lock]:
    """Return a session with a token, and the lock for it: a session does one thing at a time."""
    return _library().lib(module).get_token(token_label=token).open(user_pin=pin), threading.Lock()


def _library() -> Any:
    try:
        import pkcs11
        import pkcs11.mechanisms
    except ImportError:
        raise Refused("token", "python-pkcs11 is not installed: install the extra hsm") from None
    return pkcs11
