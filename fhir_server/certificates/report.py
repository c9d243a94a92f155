"""A verification as JSON: whether it is valid, every stage, what the certificate says.

The fields are those of POST /certificates/verify and of `fhir-server certificate verify --json`.
"""

from typing import Any

from fhir_server.certificates import content
from signing.verify import Verification

Json = dict[str, Any]


def report(found: Verification) -> Json:
    """Return `valid`, `stages`, the times and the key, the `content` as signed and a `summary` for people."""
    written: Json = {
        "valid": found.valid,
        "stages": [
            {
                "stage": stage.stage,
                "ok": stage.ok,
                "code": stage.code,
                **({"detail": stage.detail} if stage.detail else {}),
            }
            for stage in found.stages
        ],
    }
    told = {
        "issuer": found.issuer,
        "issued": found.issued.isoformat() if found.issued else None,
        "expires": found.expires.isoformat() if found.expires else None,
        "kid": found.kid,
        "algorithm": found.algorithm,
        "content": found.content,
        "summary": [line._asdict() for line in content.summary(found.content)] or None,
    }
    return written | {name: value for name, value in told.items() if value is not None}
