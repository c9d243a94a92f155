"""FHIR NPM packages: the definitions in a `.tgz` or an unpacked folder, one resource at a time.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

import orjson

import profiles
from fhir_server import wire
from fhir_server.outcome import FhirError

Json = dict[str, Any]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # published packages hold some files with one
MAX_FILE = 64 * 1024 * 1024  # bytes; the largest definition of the R4 core package has 3 MB
MAX_TOTAL = 256 * 1024 * 1024  # bytes unpacked
MAX_FILES = 20_000
MANIFEST = "package.json"
NAME = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*", re.IGNORECASE)
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


class NotAPackage(Exception):
    """The path is neither a FHIR package nor a folder of FHIR resources."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package as a whole."""

    name: str  # "hl7.fhir.us.core"
    version: str
    canonical: str  # the beginning of its canonical URLs; "" when the manifest does not say
    title: str
    fhir_versions: tuple[str, ...]  # (): the manifest does not say
    resources: tuple[Json, ...]
    digest: str  # equal for equal files
    dependencies: tuple[str, ...] = ()  # "hl7.fhir.uv.ips#1.1.0"


def read(path: Path) -> Iterator[Json]:
    """Yield every resource of the package at `path`; raise NotAPackage when it is none."""
    empty = True
    for name, content in files(path):
        if name == MANIFEST or name.startswith("."):
            continue
        resource = _json(str(path), name, content)
        if isinstance(resource, dict) and "resourceType" in resource:
            empty = False
            yield resource
    if empty:
        raise NotAPackage(f"{path}: holds no FHIR resource; a package has them as package/*.json")


def unpacked(content: bytes) -> Package:
    """Return the package that the bytes of a `.tgz` hold; raise NotAPackage."""
    return of(_members("The package", io.BytesIO(content)))


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """Return what is equal for packages with equal files, whatever their order."""
    each = sorted(sha256(name.encode() + b"\0" + content).digest() for name, content in files if name[:1] != ".")
    return sha256(b"".join(each)).hexdigest()[:32]


def name(path: Path) -> str:
    """Return the name of the package at `path`; the path itself when it has no manifest."""
    for file, content in files(path):
        if file == MANIFEST:
            manifest = _json(str(path), file, content)
            return str(manifest.get("name", path)) if isinstance(manifest, dict) else str(path)
    return str(path)


def of(files: Iterable[tuple[str, bytes]]) -> Package:
    """Return the package whose folder holds `files`: their names and contents; raise NotAPackage."""
    label = "The package"
    manifest: Any = None
    resources = []
    contents = [(name, content) for name, content in files if not name.startswith(".")]
    for name, content in contents:
        try:
            found = wire.loads(content.removeprefix(BYTE_ORDER_MARK))  # to be stored: with all its digits
        except FhirError as error:
            raise NotAPackage(f"{label}: {name}: {error}") from error
        if name == MANIFEST:
            manifest = found
        elif isinstance(found, dict) and isinstance(found.get("resourceType"), str):
            resources.append(found)
    if not isinstance(manifest, dict):
        raise NotAPackage(f"{label}: has no package/{MANIFEST}")
    own_name, version = manifest.get("name"), manifest.get("version")
    if not (isinstance(own_name, str) and NAME.fullmatch(own_name) and len(own_name) <= 128):
        raise NotAPackage(f"{label}: {MANIFEST} gives no name such as hl7.fhir.us.core")
    if not (isinstance(version, str) and VERSION.fullmatch(version)):
        raise NotAPackage(f"{label}: {MANIFEST} gives no version such as 1.0.0")
    versions = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or ()
    versions = versions if isinstance(versions, list | tuple) else (versions,)
    needed = manifest.get("dependencies")
    needed = {str(name): str(version) for name, version in needed.items()} if isinstance(needed, dict) else {}
    return Package(
        name=own_name,
        version=version,
        canonical=str(manifest.get("canonical", "")),
        title=str(manifest.get("title", "")),
        fhir_versions=tuple(str(each) for each in versions),
        resources=tuple(resources),
        digest=digest(contents),
        dependencies=tuple(f"{name}#{version}" for name, version in sorted(needed.items())),
    )


def _json(label: str, name: str, content: bytes) -> Any:
    try:
        return orjson.loads(content.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise NotAPackage(f"{label}: {name} is not JSON: {error}") from error


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the JSON files of the package at `path`; raise NotAPackage when it is none."""
    if path.is_dir():
        folder = path / "package" if (path / "package").is_dir() else path
        yield from ((file.name, file.read_bytes()) for file in sorted(folder.glob("*.json")))
    elif path.is_file():
        with path.open("rb") as file:
            yield from _members(str(path), file)
    elif str(path) in profiles.OPTIONAL:  # one that ships with the server, by its name
        shipped = sorted(profiles.path(str(path)).iterdir(), key=lambda file: file.name)
        yield from ((file.name, file.read_bytes()) for file in shipped if file.name.endswith(".json"))
    else:
        raise NotAPackage(f"{path}: no such file or folder")


class _Bounded:
    """What is unpacked from `source`: no more than MAX_TOTAL bytes, however well they were packed."""

    def __init__(self, label: str, source: gzip.GzipFile):
        self._label = label
        self._source = source
        self._left = MAX_TOTAL

    def read(self, size: int) -> bytes:
        content = self._source.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise NotAPackage(f"{self._label}: is larger than {MAX_TOTAL} bytes when unpacked")
        return content


def _members(label: str, file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    try:
        with (
            gzip.GzipFile(fileobj=file) as unzipped,
            tarfile.open(fileobj=cast(IO[bytes], _Bounded(label, unzipped)), mode="r|") as archive,
        ):
            for count, member in enumerate(archive):
                if count >= MAX_FILES:
                    raise NotAPackage(f"{label}: holds more than {MAX_FILES} files")
                folder, _, name = member.name.rpartition("/")
                if folder.removeprefix("./") != "package" or not member.isfile() or not name.endswith(".json"):
                    continue
                if member.size > MAX_FILE:
                    raise NotAPackage(f"{label}: {name} is larger than {MAX_FILE} bytes")
                content = archive.extractfile(member)
                if content is not None:
                    yield name, content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:  # the last three: damaged compression
        raise NotAPackage(f"{label}: not a FHIR package (.tgz): {error}") from error
