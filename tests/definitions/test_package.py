"""https://confluence.hl7.org/display/FHIR/NPM+Package+Specification"""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fhir_server.definitions import package
from fhir_server.definitions.package import NotAPackage

PATIENT = {"resourceType": "Patient", "id": "a"}
CODES = {"resourceType": "CodeSystem", "id": "b", "url": "urn:b"}
FILES = {
    "package/package.json": b'{"name": "vn.example", "resourceType": "not a resource"}',
    "package/.index.json": b'{"index-version": 1}',
    "package/Patient-a.json": json.dumps(PATIENT).encode(),
    "package/CodeSystem-b.json": b"\xef\xbb\xbf" + json.dumps(CODES).encode(),
    "package/notes.json": b'["no resource"]',
    "package/README.md": b"# not JSON",
    "package/example/Patient-c.json": json.dumps({"resourceType": "Patient", "id": "c"}).encode(),
    "Patient-d.json": json.dumps({"resourceType": "Patient", "id": "d"}).encode(),
}


def archive(path: Path, files: dict[str, bytes], prefix: str = "") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def unpacked(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def bare(path: Path, files: dict[str, bytes]) -> Path:
    inner = {name.removeprefix("package/"): content for name, content in files.items() if name.startswith("package/")}
    return unpacked(path, inner)


FORMS = [
    pytest.param(lambda folder: archive(folder / "p.tgz", FILES), id=".tgz"),
    pytest.param(lambda folder: archive(folder / "p.tgz", FILES, "./"), id=".tgz with ./"),
    pytest.param(lambda folder: unpacked(folder, FILES), id="unpacked"),
    pytest.param(lambda folder: bare(folder, FILES), id="folder of resources"),
]


@pytest.mark.parametrize("made", FORMS)
def test_the_resources_of_a_package_are_read_and_nothing_else(tmp_path: Path, made: Callable[[Path], Path]) -> None:
    assert sorted(package.read(made(tmp_path)), key=lambda resource: str(resource["id"])) == [PATIENT, CODES]


def without_end(path: Path) -> Path:
    whole = archive(path / "p.tgz", {"package/Patient-a.json": json.dumps(PATIENT).encode() * 5000}).read_bytes()
    (path / "p.tgz").write_bytes(whole[: len(whole) // 2])
    return path / "p.tgz"


def flipped(path: Path) -> Path:
    damaged = bytearray(archive(path / "p.tgz", FILES).read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (path / "p.tgz").write_bytes(damaged)
    return path / "p.tgz"


def file_of(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "x.tgz").write_bytes(content)
        return folder / "x.tgz"

    return write


def archive_of(name: str, content: bytes) -> Callable[[Path], Path]:
    return lambda folder: archive(folder / "x.tgz", {name: content})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(lambda folder: folder / "none.tgz", "no such file or folder", id="nothing there"),
        pytest.param(lambda folder: folder, "holds no FHIR resource", id="empty folder"),
        pytest.param(file_of(b"PK\x03\x04 zip"), "not a FHIR package", id="no archive"),
        pytest.param(file_of(b""), "not a FHIR package", id="empty file"),
        pytest.param(file_of(gzip.compress(b"text")), "not a FHIR package", id="gzip of no archive"),
        pytest.param(without_end, "not a FHIR package", id="cut off"),
        pytest.param(flipped, "p.tgz", id="a damaged byte"),
        pytest.param(archive_of("package/a.json", b"{"), "a.json is not JSON", id="no JSON"),
        pytest.param(archive_of("package/package.json", b"{}"), "holds no FHIR resource", id="no resource"),
        pytest.param(
            archive_of("other/Patient-a.json", json.dumps(PATIENT).encode()), "no FHIR resource", id="another layout"
        ),
    ],
)
def test_what_is_no_package_is_refused_by_name(tmp_path: Path, made: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(NotAPackage, match=message):
        list(package.read(made(tmp_path)))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_FILE", 1000)
    path = archive(tmp_path / "p.tgz", {"package/a.json": b" " * 1001})
    with pytest.raises(NotAPackage, match=r"a\.json is larger than 1000 bytes"):
        list(package.read(path))
