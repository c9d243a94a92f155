"""`certificate verify` with --batch, --bundle, --rules and --revocation: a program that verifies many, offline"""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fhir_server.cli import verifying
from signing import base45, cose, development, hc1, keystore, offline, revocation, shc, vdsnc
from signing.deflate import inflate
from signing.keys import SigningKey
from signing.revocation import Revoked
from signing.rules import Rulebook
from signing.verification import STAGES
from tests.cli.commands import PATIENCE, PROGRAM, called
from tests.http.test_certificates import PAYLOAD
from tests.http.test_publication import BUNDLE
from tests.signing.test_rules import RECENT, row
from tests.signing.test_vdsnc import MESSAGE


def now() -> datetime:
    """The moment: keys made for the tests are valid from when they were made."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def key(keys: Path) -> SigningKey:
    return keystore.load(keys).signer(now())


def batch(folder: Path, *lines: str, options: tuple[str | Path, ...] = ()) -> list[dict[str, Any]]:
    """Return the answers to `lines`."""
    (folder / "batch.ndjson").write_text("".join(f"{line}\n" for line in lines), errors="surrogateescape")
    result = called("certificate", "verify", "--batch", "batch.ndjson", *options, cwd=folder)
    assert result.status == 0, result
    return [json.loads(line) for line in result.out.splitlines()]


def line(certificate: Any, **more: Any) -> str:
    return json.dumps({"certificate": certificate, **more})


def test_each_line_is_answered_by_one(tmp_path: Path, keys: Path, key: SigningKey) -> None:
    texts = [
        hc1.issue(PAYLOAD, key, now()).text,
        shc.issue(BUNDLE, key, now(), "https://a.vn").qr,
        vdsnc.issue(MESSAGE, key, now(), "VNM"),
    ]
    answers = batch(tmp_path, *map(line, texts), options=("--trust", keys))
    assert [(answer["valid"], answer["format"]) for answer in answers] == [
        (True, "dcc"),
        (True, "shc"),
        (True, "vds-nc"),
    ]
    for answer in answers:
        assert [stage["stage"] for stage in answer["stages"]] == list(STAGES)
        assert all(set(stage) == {"stage", "ok", "code", "detail"} for stage in answer["stages"])
    assert answers[0]["content"] == PAYLOAD


def test_a_line_names_whom_it_trusts_and_when(tmp_path: Path, key: SigningKey) -> None:
    text, der = hc1.issue(PAYLOAD, key, now()).text, b64encode(key.signer.certificate).decode()
    later = (now() + timedelta(days=400)).isoformat()
    good, late, unknown, nobody = batch(
        tmp_path,
        line(text, trust=[der]),
        line(text, trust=[der], at=later),
        line(text, trust=[]),
        line(text),
    )
    assert (good["valid"], late["valid"], unknown["valid"], nobody["valid"]) == (True, False, False, False)
    codes = {stage["stage"]: stage["code"] for stage in late["stages"]}
    assert codes["claims"] == "expired"


def test_an_authority_named_by_a_line_vouches_for_the_signer_of_a_seal(tmp_path: Path) -> None:
    authority = development.authority(now() - timedelta(days=1))
    signer = development.signer(authority, now() - timedelta(hours=1))
    der = b64encode(authority.certificate.public_bytes(Encoding.DER)).decode()
    seal = vdsnc.issue(MESSAGE, signer, now(), "VNM")
    vouched, broken = batch(tmp_path, line(seal, trust=["x", der]), line(seal, trust=["x"]))
    assert (vouched["valid"], broken["valid"]) == (True, False)
    assert [stage["code"] for stage in broken["stages"] if stage["ok"] is False] == ["unknown-signer"]


def test_a_large_batch_is_answered_in_its_order_by_several_processes(
    tmp_path: Path, keys: Path, key: SigningKey
) -> None:
    texts, payload = [], cast("dict[str, Any]", PAYLOAD)
    for number in range(2500):
        dose = {**payload["v"][0], "ci": f"URN:UVCI:01:VN:{number:032X}"}
        texts.append(hc1.issue({**payload, "v": [dose]}, key, now()).text)
    lines = [line(f"{text[:40]}A{text[41:]}" if number % 7 == 0 else text) for number, text in enumerate(texts)]
    lines[1111] = "no JSON, \udcff"
    assert len("".join(lines)) > verifying.WORTHWHILE
    several = batch(tmp_path, *lines, options=("--trust", keys, "--processes", "3", "--at", now().isoformat()))
    assert len(several) == len(lines)
    for number, answer in enumerate(several):
        assert answer["valid"] is not (number % 7 == 0 or number == 1111), number
        if answer["valid"]:
            assert answer["content"]["v"][0]["ci"] == f"URN:UVCI:01:VN:{number:032X}"
    assert several[1111]["error"]["code"] == "bad-line"


async def _cut_short(folder: Path, keys: Path, key: SigningKey, cut: Callable[[int], None]) -> tuple[int, str]:
    """Have several processes verify for some seconds, `cut` that short; return the status and what was said."""
    text = line(hc1.issue(PAYLOAD, key, now()).text) + "\n"
    (folder / "batch.ndjson").write_text(text * 20_000)
    words = ("certificate", "verify", "--batch", "batch.ndjson", "--trust", str(keys), "--processes", "2")
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *words,
        cwd=folder,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # which who runs in the background ignores
    )
    assert process.stdout
    assert process.stderr
    await asyncio.wait_for(process.stdout.readline(), PATIENCE)  # all processes are at work
    cut(process.pid)
    await asyncio.wait_for(process.stdout.read(), PATIENCE)
    said = (await process.stderr.read()).decode()
    return await process.wait(), said


async def test_ctrl_c_ends_all_processes_of_a_batch_without_a_word(tmp_path: Path, keys: Path, key: SigningKey) -> None:
    status, said = await _cut_short(tmp_path, keys, key, lambda pid: os.killpg(pid, signal.SIGINT))
    assert (status, said.strip()) == (130, "")


async def test_a_process_of_a_batch_that_is_killed_is_told(tmp_path: Path, keys: Path, key: SigningKey) -> None:
    def kill_one(pid: int) -> None:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    status, said = await _cut_short(tmp_path, keys, key, kill_one)
    assert (status, "was killed" in said, "Traceback" in said) == (2, True, False), said


async def test_who_has_read_enough_ends_a_batch_without_a_word(tmp_path: Path, keys: Path, key: SigningKey) -> None:
    (tmp_path / "batch.ndjson").write_text((line(hc1.issue(PAYLOAD, key, now()).text) + "\n") * 200)
    words = ("certificate", "verify", "--batch", "batch.ndjson", "--trust", str(keys))
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", 'set -o pipefail; "$@" | head -n 1', "-", *PROGRAM, *words, cwd=tmp_path, stdout=PIPE, stderr=PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, out.count(b"\n"), err) == (1, 1, b"")


BAD: dict[str, str] = {
    "no JSON": "{",
    "a list": "[]",
    "no certificate": "{}",
    "a number": line(5),
    "a time that is none": line("HC1:", at="tomorrow"),
    "a time that is a number": line("HC1:", at=5),
    "trust that is no list": line("HC1:", trust="x"),
    "trust that is no text": line("HC1:", trust=[5]),
    "no UTF-8": '{"certificate": "\udcff"}',
    "deep": "[" * 5000,
    "half a character": '{"certificate": "{\\ud800"}',
    "long": line("A" * 3_000_000),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_line_is_answered_and_the_next_one_too(what: str, tmp_path: Path, keys: Path, key: SigningKey) -> None:
    bad, good = batch(tmp_path, BAD[what], "", line(hc1.issue(PAYLOAD, key, now()).text), options=("--trust", keys))
    assert (bad["valid"], good["valid"]) == (False, True)


def test_a_file_from_another_system_and_times_at_the_ends_of_the_calendar_are_read(
    tmp_path: Path, keys: Path, key: SigningKey
) -> None:
    good = hc1.issue(PAYLOAD, key, now()).text
    times = ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00")
    lines = (f"\ufeff{line(good)}\r", *(line(good, at=time) for time in times), f"{line(good)}\r")
    first, *others, last = batch(tmp_path, *lines, options=("--trust", keys))
    codes = [answer.get("error", {}).get("code") for answer in others]
    assert (first["valid"], codes, last["valid"]) == (True, [None, "bad-time", None, "bad-time"], True)
    assert not any(answer["valid"] for answer in others)
    refused = called("certificate", "verify", good, "--trust", keys, "--at", "yesterday", cwd=tmp_path)
    assert (refused.status, "'yesterday' is no time" in refused.err) == (2, True)


async def test_a_line_on_standard_input_is_answered_at_once(keys: Path, key: SigningKey) -> None:
    words = (*PROGRAM, "certificate", "verify", "--batch", "-", "--trust", str(keys))
    process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE)
    assert process.stdin
    assert process.stdout
    for sent, valid in ((b"\xff", False), (line(hc1.issue(PAYLOAD, key, now()).text).encode(), True)):
        process.stdin.write(sent + b"\n")
        answer = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        assert json.loads(answer)["valid"] is valid
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


def test_a_bundle_takes_the_place_of_lists(tmp_path: Path, keys: Path, key: SigningKey) -> None:
    text = hc1.issue(PAYLOAD, key, now()).text
    [(kind, hash), *_] = revocation.hashes("VN", [], _signature(text), halved=True)
    assert kind == "SIGNATURE"
    contents = offline.Bundle(
        keystore.load(keys).trust_list(), Revoked([hash]), Rulebook((), {}), now(), now(), "https://a.vn"
    )
    (tmp_path / "bundle.jws").write_text(offline.make(contents, key))
    pin = next(file for file in keys.glob("*.cert.pem") if not file.name.startswith("csca"))
    given = ("--bundle", "bundle.jws", "--pin", pin)
    revoked = called("certificate", "verify", text, *given, cwd=tmp_path)
    assert (revoked.status, "revocation: revoked" in revoked.out, "is old" in revoked.err) == (1, True, True)
    assert called("certificate", "verify", hc1.issue(PAYLOAD, key, now()).text, *given, cwd=tmp_path).status == 0
    assert called("certificate", "verify", text, "--bundle", "bundle.jws", cwd=tmp_path).status == 2


def _signature(text: str) -> bytes:
    return cose.parse(inflate(base45.decode(hc1.unprefix(text)))).signature


DOMESTIC = {"===": [{"var": "payload.v.0.co"}, "VN"]}


@pytest.mark.parametrize(("logic", "country", "status"), [(DOMESTIC, "VN", 0), (RECENT, "VN", 1), (RECENT, "LA", 0)])
def test_rules_are_applied(logic: Any, country: str, status: int, tmp_path: Path, keys: Path, key: SigningKey) -> None:
    validity = {"ValidFrom": "2020-01-01T00:00:00Z", "ValidTo": "2090-01-01T00:00:00Z"}
    (tmp_path / "rules.json").write_text(json.dumps([row("A", logic, **validity)]))
    given = ("--trust", keys, "--rules", "rules.json", "--country", country)
    result = called("certificate", "verify", hc1.issue(PAYLOAD, key, now()).text, *given, cwd=tmp_path)
    assert result.status == status, result


def test_revocation_lists_are_consulted(tmp_path: Path, keys: Path, key: SigningKey) -> None:
    text = hc1.issue(PAYLOAD, key, now()).text
    (tmp_path / "list.bin").write_bytes(Revoked([revocation.digest(PAYLOAD["v"][0]["ci"].encode())]).to_bytes())
    given = ("--trust", keys, "--revocation", "list.bin")
    assert called("certificate", "verify", text, *given, cwd=tmp_path).status == 1


def test_a_folder_without_a_list_does_not_say_that_nothing_is_revoked(
    tmp_path: Path, keys: Path, key: SigningKey
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "list.jws").write_text("in a form that is not read")
    words = ("--trust", keys, "--revocation", "lists")
    result = called("certificate", "verify", hc1.issue(PAYLOAD, key, now()).text, *words, cwd=tmp_path)
    assert (result.status, "no revocation list" in result.err, result.out) == (2, True, "")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("HC1:", "--batch", "x"),
        ("HC1:", "--pin", "nowhere"),
        ("HC1:", "--rules", "nowhere"),
        ("--batch", "nowhere"),
    ],
    ids=["nothing", "both", "no pin", "no rules", "no batch"],
)
def test_what_cannot_be_done_is_told(words: tuple[str, ...], tmp_path: Path, keys: Path) -> None:
    result = called("certificate", "verify", *words, "--trust", keys, cwd=tmp_path)
    assert (result.status, bool(result.err.strip())) == (2, True)


FORMS: dict[str, Callable[[Path, SigningKey], str]] = {
    "a card file": lambda folder, key: _written(
        folder, "a.smart-health-card", shc.file([shc.issue(BUNDLE, key, now(), "https://a.vn").jws])
    ),
    "a JWS": lambda folder, key: shc.issue(BUNDLE, key, now(), "https://a.vn").jws,
    "a seal": lambda folder, key: _written(folder, "a.json", vdsnc.issue(MESSAGE, key, now(), "VNM")),
}


def _written(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content)
    return name


@pytest.mark.parametrize("form", FORMS)
def test_other_formats_are_verified_at_the_command_line(form: str, tmp_path: Path, keys: Path, key: SigningKey) -> None:
    result = called("certificate", "verify", FORMS[form](tmp_path, key), "--trust", keys, cwd=tmp_path)
    assert (result.status, result.out.partition("\n")[0]) == (0, "VALID / HỢP LỆ"), result
