"""The national profiles as one more FHIR package: what FHIR means in this country's immunization programme.

https://hl7.org/fhir/R4/profiling.html · https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

`package/` holds this project's profiles (canonical https://fhir.tiemchung.vn), and under their own URLs the visible
rows of the VN Core community draft that they build on. None of them is a national standard; each resource says where
its facts come from. The package knows nothing of the server and is read like any other.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

CANONICAL = "https://fhir.tiemchung.vn"


def path() -> Traversable:
    """Return the folder of the package, with its package.json."""
    return files(__name__) / "package"


def resources() -> Iterator[dict[str, Any]]:
    """Yield every resource of the package, in the order of the file names."""
    for file in sorted(path().iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json") and file.name != "package.json":
            yield json.loads(file.read_bytes())
