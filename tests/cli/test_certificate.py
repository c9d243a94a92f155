"""`fhir-server certificate` and `keys`: a border officer without a network, an operator with a folder of keys.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""

import json
import shutil
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from PIL import Image

from signing import base45, development, hc1, keystore, qr
from tests.cli.commands import called, run
from tests.http.persons import vaccinated
from tests.http.test_certificates import PAYLOAD


@pytest.fixture
def text(keys: Path) -> str:
    """A certificate that is valid now."""
    return hc1.issue(PAYLOAD, keystore.load(keys).keys[0], datetime.now(UTC)).text


def forged(text: str) -> str:
    """Return `text` with the last bit of its signature turned, packed as neatly as before."""
    content = bytearray(zlib.decompress(base45.decode(text[4:])))
    content[-1] ^= 1
    return "HC1:" + base45.encode(zlib.compress(bytes(content), 9))


def slipped(text: str) -> str:
    """Return `text` with one sign read wrongly."""
    return text[:-20] + ("0" if text[-20] != "0" else "1") + text[-19:]


def as_png(folder: Path, text: str) -> str:
    (folder / "qr.png").write_bytes(qr.png(text))
    return "qr.png"


def as_jpeg(folder: Path, text: str) -> str:
    as_png(folder, text)
    photo = Image.open(folder / "qr.png").convert("RGB").rotate(7, expand=True, fillcolor="white")
    photo.resize((photo.width * 2, photo.height * 2)).save(folder / "PHOTO.JPG", quality=70)
    return "PHOTO.JPG"


def as_file(ending: str) -> Callable[[Path, str], str]:
    def write(folder: Path, text: str) -> str:
        (folder / "certificate.txt").write_text(text + ending, newline="")
        return "certificate.txt"

    return write


FORMS: dict[str, Callable[[Path, str], str]] = {
    "text": lambda folder, text: text,
    "file": as_file(""),
    "file with a line break": as_file("\n"),
    "file from Windows": as_file("\r\n"),
    "png": as_png,
    "photograph": as_jpeg,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_valid_certificate_is_valid_in_every_form(tmp_path: Path, keys: Path, text: str, form: str) -> None:
    result = called("certificate", "verify", FORMS[form](tmp_path, text), "--trust", keys, cwd=tmp_path)
    assert result.status == 0, result
    assert result.out.startswith("VALID / HỢP LỆ\n")
    for shown in ("Đỗ", "1988-02-29", "2021-08-14"):
        assert shown in result.out


def pem_file(keys: Path, folder: Path) -> str:
    [certificate] = [file for file in keys.glob("*.cert.pem") if not file.name.startswith("csca")]
    shutil.copy(certificate, folder / "signer.pem")
    return "signer.pem"


def der_file(keys: Path, folder: Path) -> str:
    (folder / "signer.der").write_bytes(keystore.load(keys).keys[0].signer.certificate)
    return "signer.der"


def trust_list(keys: Path, folder: Path) -> str:
    (folder / "trust.json").write_text(keystore.load(keys).trust_list().json)
    return "trust.json"


def usual(keys: Path, folder: Path) -> str:
    shutil.copytree(keys, folder / "data" / "keys")
    return ""


TRUSTED: dict[str, Callable[[Path, Path], str]] = {
    "a folder of keys": lambda keys, folder: str(keys),
    "a certificate (PEM)": pem_file,
    "a certificate (DER)": der_file,
    "a trust list": trust_list,
    "data/keys, when nothing is said": usual,
}


@pytest.mark.parametrize("form", TRUSTED)
def test_trust_comes_in_every_form(tmp_path: Path, keys: Path, text: str, form: str) -> None:
    trusted = TRUSTED[form](keys, tmp_path)
    result = called("certificate", "verify", text, *(("--trust", trusted) if trusted else ()), cwd=tmp_path)
    assert (result.status, result.out.partition("\n")[0]) == (0, "VALID / HỢP LỆ"), result


def moment(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


# How it is given, further words; the exit status.
JUDGED: dict[str, tuple[Callable[[Path, str], str], tuple[str, ...], int]] = {
    "forged": (lambda folder, text: forged(text), (), 1),
    "forged, as a picture": (lambda folder, text: as_png(folder, forged(text)), (), 1),
    "one sign altered": (lambda folder, text: slipped(text), (), 2),
    "expired by then": (lambda folder, text: text, ("--at", moment(370)), 1),
    "not yet issued": (lambda folder, text: text, ("--at", moment(-5)), 1),
    "valid by then": (lambda folder, text: text, ("--at", moment(300)), 0),
    "valid at midnight UTC": (lambda folder, text: text, ("--at", moment(300)[:10]), 0),
    "cut short": (lambda folder, text: text[:-40], (), 2),
    "no certificate": (lambda folder, text: "HC1:", (), 2),
    "an older version": (lambda folder, text: "HC2:" + text[4:], (), 2),
    "small letters": (lambda folder, text: text.lower(), (), 2),
    "no such file": (lambda folder, text: "nowhere.txt", (), 2),
    "a folder": (lambda folder, text: ".", (), 2),
    "a name that no file can have": (lambda folder, text: "x" * 5000, (), 2),
    "a file that is no text": (lambda folder, text: written(folder, "a.txt", b"\xff\xfe\x00"), (), 2),
    "a picture that is none": (lambda folder, text: written(folder, "a.png", b"no picture"), (), 2),
    "a picture without a code": (lambda folder, text: blank(folder), (), 2),
    "a picture of another code": (lambda folder, text: as_png(folder, "https://example.org"), (), 2),
    "no time": (lambda folder, text: text, ("--at", "tomorrow"), 2),
}


def written(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return name


def blank(folder: Path) -> str:
    Image.new("L", (200, 200), 255).save(folder / "blank.png")
    return "blank.png"


@pytest.mark.parametrize("case", JUDGED)
def test_the_status_tells_valid_from_not_valid_from_unreadable(
    tmp_path: Path, keys: Path, text: str, case: str
) -> None:
    give, words, status = JUDGED[case]
    result = called("certificate", "verify", give(tmp_path, text), "--trust", keys, *words, cwd=tmp_path)
    assert result.status == status, result
    assert "Traceback" not in result.err
    if result.out:
        assert result.out.startswith("VALID" if status == 0 else "NOT VALID / KHÔNG HỢP LỆ\n")
    else:
        assert result.err.strip()


def test_an_unknown_signer_is_not_valid(tmp_path: Path, text: str) -> None:
    development.generate(tmp_path / "others", datetime.now(UTC))
    result = called("certificate", "verify", text, "--trust", "others", cwd=tmp_path)
    assert (result.status, "[FAILED] key: unknown-signer" in result.out) == (1, True)
    assert "Not authentic" in result.out


async def test_a_terminal_without_vietnamese_letters_shows_the_verdict(tmp_path: Path, keys: Path, text: str) -> None:
    words = ("certificate", "verify", text, "--trust", keys)
    result = await run(*words, cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (result.status, result.out.startswith("VALID / H")) == (0, True), result
    assert result.err == ""


@pytest.mark.parametrize("given", ["no-such-file", "hello", "x" * 5000, ""], ids=["file", "word", "long", "nothing"])
def test_what_is_neither_a_certificate_nor_a_file_is_told(tmp_path: Path, given: str) -> None:
    development.generate(tmp_path / "keys", datetime.now(UTC))
    result = called("certificate", "verify", given, "--trust", "keys", cwd=tmp_path)
    assert (result.status, "is no certificate's text, and no file: " in result.err) == (2, True)


@pytest.mark.parametrize("trusted", ["nowhere", "empty", "empty.json"])
def test_with_nobody_to_trust_nothing_is_judged(tmp_path: Path, text: str, trusted: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.json").write_text('{"certificates": []}')
    result = called("certificate", "verify", text, "--trust", trusted, cwd=tmp_path)
    assert (result.status, result.out) == (2, "")


@pytest.mark.parametrize(("alter", "status"), [(str, 0), (forged, 1), (lambda text: text[:30], 2)], ids=["0", "1", "2"])
def test_json_says_the_same_to_programs(
    tmp_path: Path, keys: Path, text: str, alter: Callable[[str], str], status: int
) -> None:
    result = called("certificate", "verify", alter(text), "--trust", keys, "--json", cwd=tmp_path)
    assert result.status == status
    said = json.loads(result.out)
    assert result.out.count("\n") == 1
    assert (said["valid"], said["readable"]) == (status == 0, status < 2)
    assert all({"stage", "ok", "code"} <= set(stage) for stage in said["stages"])


async def test_a_certificate_is_issued_by_a_running_server(
    client: httpx.AsyncClient, keys: Path, tmp_path: Path
) -> None:
    id, _ = await vaccinated(client)
    url = ("--url", f"{client.base_url}/fhir")
    result = await run("certificate", "issue", f"Patient/{id}", *url, "--png", "c.png", "--svg", "c.svg", cwd=tmp_path)
    assert result.status == 0, result
    assert qr.read((tmp_path / "c.png").read_bytes()) == (result.out.strip(),)
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    refused = await run("certificate", "issue", "nobody", *url)
    assert (refused.status, refused.out, "nobody is not known" in refused.err) == (1, "", True)
    unwritten = await run("certificate", "issue", id, *url, "--png", "nowhere/c.png", cwd=tmp_path)
    assert (unwritten.status, unwritten.out[:4], "is issued" in unwritten.err) == (2, "HC1:", True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/fhir", "nonsense", "http://[::1"])
def test_without_a_server_none_is_issued(tmp_path: Path, url: str) -> None:
    result = called("certificate", "issue", "x", "--url", url, cwd=tmp_path)
    assert (result.status, result.out, "No connection" in result.err) == (2, "", True)


def test_keys_are_made_added_and_listed(tmp_path: Path) -> None:
    for algorithm in ("ES256", "PS256"):
        result = called("keys", "make", "keys", "--algorithm", algorithm, cwd=tmp_path)
        assert result.status == 0, result
        assert algorithm in result.err
    listed = called("keys", "list", "keys", cwd=tmp_path)
    assert listed.status == 0
    for key in keystore.load(tmp_path / "keys").keys:
        assert key.kid.hex() in listed.out
    assert listed.out.count("signs") == 2
    for file in (tmp_path / "keys").glob("*.key.pem"):
        assert file.stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in listed.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("make", "keys", "--algorithm", "RS256"), "ES256, PS256"),
        (("make", "file/keys"), "file"),
        (("make", "broken"), "broken"),
        (("list", "nowhere"), "nowhere"),
        (("list", "empty"), "*.key.pem"),
    ],
    ids=str,
)
def test_keys_that_cannot_be_are_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "file").write_text("")
    for name in ("empty", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "csca.cert.pem").write_text("no certificate")
    (tmp_path / "broken" / "csca.key.pem").write_text("no key")
    result = called("keys", *words, cwd=tmp_path)
    assert (result.status, said in result.err) == (2, True), result
