"""The WHO's International Certificate of Vaccination or Prophylaxis (ICVP) as content of an HC1 certificate.

https://smart.who.int/icvp/ — Digital Vaccination Certificate (DVC), claim -260, sub-claim -6, a draft

Field names still move between drafts: so a certificate is compared with the fields of one named version.
"""

from typing import Any, Literal, NamedTuple

Version = Literal["0.3.0"]
NEWEST: Version = "0.3.0"


class Fields(NamedTuple):
    """What one version of the draft has in the certificate and in its one vaccination; the first names are required."""

    person: tuple[str, ...]
    person_required: tuple[str, ...]
    vaccination: tuple[str, ...]
    vaccination_required: tuple[str, ...]


VERSIONS: dict[Version, Fields] = {
    "0.3.0": Fields(
        ("n", "dob", "s", "ntl", "nid", "ndt", "gn", "v"),
        ("n", "dob", "v"),
        ("dn", "tg", "vp", "mp", "ma", "mid", "dt", "bo", "vls", "vle", "cn", "is"),
        ("tg", "vp", "dt", "bo", "is"),
    )
}


def problems(payload: Any, version: Version = NEWEST) -> tuple[str, ...]:
    """Return what `version` finds wrong in `payload`, each as `path: reason`; nothing when it conforms."""
    fields = VERSIONS[version]
    if not isinstance(payload, dict):
        return ("the certificate: a map belongs here",)
    found = _problems("", payload, fields.person, fields.person_required)
    vaccination = payload.get("v")
    if isinstance(vaccination, dict):
        found += _problems("v.", vaccination, fields.vaccination, fields.vaccination_required)
    elif vaccination is not None:
        found.append("v: one map belongs here, no list")
    return tuple(found)


def _problems(path: str, entry: dict[str, Any], known: tuple[str, ...], required: tuple[str, ...]) -> list[str]:
    found = [f"{path}{name}: is missing" for name in required if name not in entry]
    found += [f"{path}{name:.40}: is unknown" for name in entry if name not in known]
    return found + [f"{path}{name}: an empty text" for name in required if entry.get(name) == ""]
