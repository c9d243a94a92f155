"""What a signature or a certificate attests of a record: a change of it makes them void, a change of the rest does not.

https://hl7.org/fhir/R4/immunization.html and https://www.rfc-editor.org/rfc/rfc8785
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from fhir_server.certificates import names
from fhir_server.outcome import Issue, Unprocessable
from signing import jcs

# Of a dose everything counts but what others write beside it later: labels, narrative, remarks, reactions, leaflets.
BESIDE: Final = frozenset({"meta", "implicitRules", "language", "text", "note", "reaction", "education"})
_REPLACED: Final = "replaced-by"  # Patient.link.type: this record was merged into another one


def dose(immunization: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an Immunization that its facility signs."""
    return {name: value for name, value in immunization.items() if name.lstrip("_") not in BESIDE}


def signing_input(immunization: Mapping[str, Any]) -> bytes:
    """Return the exact bytes that a facility signs: canonical JSON (RFC 8785) of `dose`; raise Refused when none."""
    return jcs.canonical(dose(immunization))


def digest(immunization: Mapping[str, Any]) -> str:
    """Return SHA-256 of `signing_input` in hexadecimal."""
    return sha256(signing_input(immunization)).hexdigest()


def person(patient: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a Patient that certificates state, and whether the record was merged into another one."""
    name = names.choose(patient.get("name", ()))
    return {"name": name, "birthDate": patient.get("birthDate"), "merged": _merged(patient)}


def require_own_record(patient: Mapping[str, Any]) -> None:
    """Raise Unprocessable when this record was merged into another one, which is the person's now."""
    if merged := _merged(patient):
        name = str(next((other.get("reference") for other in merged if isinstance(other, Mapping)), "?"))
        en = f"This record was merged into {name}: issue the certificate there"
        vi = f"Hồ sơ này đã được hợp nhất vào {name}: hãy cấp chứng nhận tại hồ sơ đó"
        raise Unprocessable(en, issues=[Issue("error", "business-rule", en, vi, "Patient.link", "person-merged")])


def changed(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> str | None:
    """Return why certificates on `old` are void now that it is `new` (None: deleted); None when they are not."""
    if new is None:
        return "deleted"
    if old.get("resourceType") == "Immunization":
        if dose(old) == dose(new):
            return None
        return "entered-in-error" if new.get("status") == "entered-in-error" else "dose-corrected"
    before, after = person(old), person(new)
    if before == after:
        return None
    return "person-merged" if before["merged"] != after["merged"] else "person-corrected"


def _merged(patient: Mapping[str, Any]) -> list[Any]:
    """Return the records that this one was merged into."""
    return [link.get("other") for link in patient.get("link", ()) if link.get("type") == _REPLACED]
