"""`fhir-server keys …` and `certificate issue --all-due`, as an operator uses them.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models
"""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from signing import development, keystore
from signing.keystore import Secrets
from tests.cli.commands import called, run
from tests.http.persons import issued, vaccinated
from tests.http.serving import serving

Json = dict[str, Any]


def test_a_key_is_made_next_rotated_and_given_up(tmp_path: Path) -> None:
    assert called("keys", "make", "keys", cwd=tmp_path).status == 0
    assert called("keys", "rotate", "keys", cwd=tmp_path).status == 2  # nothing is next
    assert called("keys", "make", "keys", "--next", cwd=tmp_path).status == 0
    before = {key.kid.hex(): key.state.value for key in keystore.load(tmp_path / "keys").keys}
    assert sorted(before.values()) == ["current", "next"]
    rotated = called("keys", "rotate", "keys", cwd=tmp_path)
    assert "signs from now on" in rotated.err
    after = {key.kid.hex(): key.state.value for key in keystore.load(tmp_path / "keys").keys}
    assert {kid for kid, state in after.items() if state == "current"} == {
        kid for kid, state in before.items() if state == "next"
    }
    old = next(kid for kid, state in after.items() if state == "retired")
    assert called("keys", "compromise", old, "keys", cwd=tmp_path).status == 0
    listed = called("keys", "list", "keys", cwd=tmp_path).out
    assert "compromised" in listed
    assert old in listed  # whole, to be copied
    assert "nothing" in listed


def test_a_request_goes_to_the_authority_and_no_secret_with_it(tmp_path: Path) -> None:
    made = called("keys", "request", "keys", "--subject", "CN=Cục Phòng bệnh,O=Bộ Y tế,C=VN", cwd=tmp_path)
    assert made.out.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert "PRIVATE" not in made.out + made.err
    assert "not encrypted" in made.err
    assert "dsc waits for its certificate" in called("keys", "list", "keys", cwd=tmp_path).out
    assert called("keys", "request", "keys", "--subject", "CN=x,C=VN", cwd=tmp_path).status == 2  # the name is taken


@pytest.mark.parametrize("content", [b"", b"\n"], ids=["empty", "an empty line"])
@pytest.mark.parametrize("command", [("make",), ("request", "--subject", "CN=x,C=VN")], ids=["make", "request"])
def test_a_file_without_a_passphrase_leaves_no_key_open(
    tmp_path: Path, command: tuple[str, ...], content: bytes
) -> None:
    (tmp_path / "passphrase").write_bytes(content)
    refused = called("keys", *command, "keys", cwd=tmp_path, FHIR_KEYS_PASSPHRASE_FILE="passphrase")
    assert (refused.status, "holds no passphrase" in refused.err, (tmp_path / "keys").exists()) == (2, True, False)


@pytest.mark.parametrize("subject", ["Bộ Y tế", "CN=x,C=Việt Nam", "CN=x", ""])
def test_a_subject_that_is_none_is_told_with_what_it_should_be(tmp_path: Path, subject: str) -> None:
    refused = called("keys", "request", "keys", "--subject", subject, cwd=tmp_path)
    assert (refused.status, "C=VN" in refused.err, (tmp_path / "keys").exists()) == (2, True, False)


@pytest.mark.parametrize(("days", "told"), [(10, False), (500, True)], ids=["new", "in its last year"])
def test_a_key_that_shortens_certificates_is_told(tmp_path: Path, days: int, told: bool) -> None:
    development.generate(tmp_path / "keys", datetime.now(UTC) - timedelta(days=days))
    assert ("before its 12 months" in called("keys", "list", "keys", cwd=tmp_path).out) is told


def test_a_certificate_of_another_key_is_not_imported(tmp_path: Path) -> None:
    called("keys", "request", "keys", "--subject", "CN=x,C=VN", cwd=tmp_path)
    development.generate(tmp_path / "foreign", datetime.now(UTC))
    [foreign] = (tmp_path / "foreign").glob("dsc-*.cert.pem")
    refused = called("keys", "import", "keys", foreign, cwd=tmp_path)
    assert (refused.status, "waits for this certificate" in refused.err) == (2, True)


def test_the_passphrase_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("secret words\n")
    given = {"FHIR_KEYS_PASSPHRASE_FILE": str(tmp_path / "passphrase")}
    assert called("keys", "make", "keys", cwd=tmp_path, **given).status == 0
    assert len(keystore.load(tmp_path / "keys", Secrets(b"secret words")).keys) == 1
    assert called("keys", "list", "keys", cwd=tmp_path, **given).status == 0
    refused = called("keys", "list", "keys", cwd=tmp_path)
    assert (refused.status, "passphrase" in refused.err, "secret words" in refused.err) == (2, True, False)


@pytest.mark.parametrize("words", [("make", "x", "--algorithm", "HS256"), ("compromise", "00", "x"), ("list", "x")])
def test_what_cannot_be_done_is_said(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert called("keys", *words, cwd=tmp_path).status == 2


async def test_a_running_server_takes_up_the_next_key_and_what_the_old_one_signed_stays_valid(
    mongodb_uri: str, tmp_path: Path
) -> None:
    keys, name = tmp_path / "keys", f"http_{uuid.uuid4().hex[:12]}"
    old = development.generate(keys, datetime.now(UTC))
    async with serving(mongodb_uri, name, keys=keys) as client:
        id, _ = await vaccinated(client)
        before = await issued(client, id)
        assert (await run("keys", "make", keys, "--next")).status == 0
        assert (await run("keys", "rotate", keys)).status == 0
        after = await issued(client, id)
        told = [await verified(client, each["content"]) for each in (before, after)]
        assert [said["valid"] for said in told] == [True, True]
        assert told[0]["kid"] != told[1]["kid"]
        assert (await run("keys", "compromise", old.kid.hex(), keys)).status == 0
        told = [await verified(client, each["content"]) for each in (before, after)]
        assert [said["valid"] for said in told] == [False, True]
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_certificates_are_issued_beside_the_server(mongodb_uri: str, keys: Path) -> None:
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys) as client:
        ids = [(await vaccinated(client))[0] for _ in range(5)]
        words = ("certificate", "issue", "--all-due", "--mongodb-uri", mongodb_uri, "--database", name, "--keys", keys)
        done = await run(*words)
        assert (done.status, "5 certificates" in done.err) == (0, True), done.err
        assert "people: 5 (looked at)" in done.err
        assert "FHIR_SIGNED_DOSES is off" in done.err
        for id in ids:
            rows = (await client.get(f"/fhir/Patient/{id}/$certificates")).json()["parameter"]
            assert len(rows) == 1
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def verified(client: httpx.AsyncClient, text: str) -> Json:
    said: Json = (await client.post("/certificates/verify", json={"certificate": text})).json()
    return said


WRONG: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "of a list of keys": (("keys", "list"), {"FHIR_PORT": "http"}, "port"),
    "of a new key": (("keys", "make", "keys"), {"FHIR_PACKAGES": "no list"}, "JSON array"),
    "of bulk issue": (("certificate", "issue", "--all-due"), {"FHIR_TIME_ZONE": "Asia/Saigon2"}, "Asia/Ho_Chi_Minh"),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_are_not_valid_end_every_command_with_one_sentence(tmp_path: Path, case: str) -> None:
    words, environment, said = WRONG[case]
    result = called(*words, cwd=tmp_path, **environment)
    assert (result.status, said in result.err, (tmp_path / "keys").exists()) == (2, True, False), result


def test_an_address_of_the_database_that_cannot_be_read_is_told_without_its_password(
    tmp_path: Path, keys: Path
) -> None:
    words = ("certificate", "issue", "--all-due", "--keys", keys, "--mongodb-uri", "mongodb://me:sec/ret@127.0.0.1:9/")
    result = called(*words, cwd=tmp_path)
    assert (result.status, "%2F for /" in result.err, "ret@" in result.err) == (2, True, False), result


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--all-due"),
        (("--all-due",), "--mongodb-uri"),
        (("--all-due", "--mongodb-uri", "mongodb://127.0.0.1:9/"), "--keys"),
        (("p1", "--all-due"), "Either"),
    ],
    ids=["nobody", "no database", "no keys", "both"],
)
def test_whom_to_certify_and_with_what_must_be_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = called("certificate", "issue", *words, cwd=tmp_path)
    assert (result.status, said in result.err) == (2, True), result
