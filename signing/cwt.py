"""The claims around a health certificate: who issued it, when, until when.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#33-claims
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from signing import cbor
from signing.refusal import Refused

ISSUER, EXPIRES, ISSUED, HCERT = 1, 4, 6, -260
# What may stand inside the claim HCERT; WHO has proposed -6 for the International Certificate of Vaccination.
# https://smart.who.int/trust/ — HCERT specification, section 3.2.7.1
DCC, DDCC_VS, DDCC_TR, ICVP = 1, 3, 4, -6


class Claims(NamedTuple):
    """The claims as they came: types and times are still to be judged."""

    issuer: Any
    expires: Any
    issued: Any
    hcert: Any
    bare: Mapping[str, Any]  # claims with a name instead of a number: early DDCC hold nothing else


def encode(payload: Mapping[str, Any], issuer: str, issued: int, expires: int, kind: int = DCC) -> bytes:
    """Return the claims that carry `payload` of this `kind`; times in seconds since 1970."""
    return cbor.dumps({ISSUER: issuer, EXPIRES: expires, ISSUED: issued, HCERT: {kind: payload}})


def parse(data: bytes) -> Claims:
    """Read the claims; raise Refused when `data` is no CBOR map."""
    claims = cbor.loads(data)
    if not isinstance(claims, dict):
        raise Refused("not-cwt", "the signed content is not a map of claims")
    bare = {} if HCERT in claims else {name: value for name, value in claims.items() if isinstance(name, str)}
    return Claims(claims.get(ISSUER), claims.get(EXPIRES), claims.get(ISSUED), claims.get(HCERT), bare)
