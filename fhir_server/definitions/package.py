"""FHIR NPM packages: the definitions in a `.tgz` or an unpacked folder, one resource at a time.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # published packages hold some files with one
MAX_FILE = 64 * 1024 * 1024  # bytes; the largest definition of the R4 core package has 3 MB


class NotAPackage(Exception):
    """The path is neither a FHIR package nor a folder of FHIR resources."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every resource of the package at `path`; raise NotAPackage when it is none."""
    if path.is_dir():
        folder = path / "package" if (path / "package").is_dir() else path
        files: Iterator[tuple[str, bytes]] = ((file.name, file.read_bytes()) for file in sorted(folder.glob("*.json")))
    elif path.is_file():
        files = _members(path)
    else:
        raise NotAPackage(f"{path}: no such file or folder")
    empty = True
    for name, content in files:
        if name == "package.json" or name.startswith("."):
            continue
        try:
            resource = orjson.loads(content.removeprefix(BYTE_ORDER_MARK))
        except orjson.JSONDecodeError as error:
            raise NotAPackage(f"{path}: {name} is not JSON: {error}") from error
        if isinstance(resource, dict) and "resourceType" in resource:
            empty = False
            yield resource
    if empty:
        raise NotAPackage(f"{path}: holds no FHIR resource; a package has them as package/*.json")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                if folder.removeprefix("./") != "package" or not member.isfile() or not name.endswith(".json"):
                    continue
                if member.size > MAX_FILE:
                    raise NotAPackage(f"{path}: {name} is larger than {MAX_FILE} bytes")
                file = archive.extractfile(member)
                if file is not None:
                    yield name, file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:  # the last three: damaged compression
        raise NotAPackage(f"{path}: not a FHIR package (.tgz): {error}") from error
