"""The id, the version and the time that the server gives a resource, and the digest of what the client said.

https://hl7.org/fhir/R4/resource.html#Meta
"""

from datetime import datetime
from hashlib import blake2b
from typing import Any

from fhir_server import wire

Json = dict[str, Any]


def stamped(resource: Json, id: str, version: int, last_updated: datetime) -> Json:
    """Return `resource` with its id, meta.versionId and meta.lastUpdated; all else as it was, in its order."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in _GIVEN}
    given = {"versionId": str(version), "lastUpdated": instant(last_updated)}
    rest = {name: value for name, value in resource.items() if name not in _HEAD}
    return {"resourceType": resource["resourceType"], "id": id, "meta": {**given, **meta}, **rest}


_GIVEN = ("versionId", "lastUpdated", "_versionId", "_lastUpdated")
_HEAD = ("resourceType", "id", "meta")


def digest(resource: Json) -> bytes:
    """Return 16 bytes that are equal for equal content, whatever its version and time and where its meta stands."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in _GIVEN}
    rest = {name: value for name, value in resource.items() if name not in _HEAD}
    content = [resource["resourceType"], resource.get("id"), meta, rest]
    return blake2b(wire.dumps(content), digest_size=16).digest()


def instant(moment: datetime) -> str:
    """Write a UTC time as a FHIR instant with milliseconds: `2026-11-22T02:30:00.123Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
