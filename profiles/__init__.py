"""The national profiles as FHIR packages: what FHIR means in this country's immunization programme.

https://hl7.org/fhir/R4/profiling.html · https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

| set | what it is | canonical |
|---|---|---|
| `vn-core` | the visible rows of the VN Core community draft | http://fhir.hl7.org.vn/core |
| `programme` | this project's profiles, code systems and rules; built on `vn-core` | https://fhir.tiemchung.vn |
| `moh-ehealth` | the Ministry of Health's draft 1.0.0; only on request | http://fhir.ehealth.gov.vn/core |

None of them is a national standard; each resource says where its facts come from. `scripts/build_profiles.py` makes
them. The packages know nothing of the server and are read like any other.
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import orjson

CANONICAL: Final = "https://fhir.tiemchung.vn"
DEFAULT: Final = ("vn-core", "programme")  # each after those that it builds on
OPTIONAL: Final = ("moh-ehealth",)


def path(name: str) -> Traversable:
    """Return the folder of the set `name`: its package.json and its resources; raise KeyError when there is none."""
    if name not in (*DEFAULT, *OPTIONAL):
        raise KeyError(name)
    return files(__name__) / name / "package"


def manifest(name: str) -> dict[str, Any]:
    """Return the package.json of the set `name`."""
    found: dict[str, Any] = orjson.loads((path(name) / "package.json").read_bytes())
    return found


def resources(*names: str) -> Iterator[dict[str, Any]]:
    """Yield every resource of the sets `names` (by default of those in force), in the order of the file names."""
    for name in names or DEFAULT:
        for file in sorted(path(name).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".json") and file.name != "package.json":
                yield orjson.loads(file.read_bytes())
