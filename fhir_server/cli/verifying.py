"""`certificate verify`: one certificate for a person, or many, line by line, for a program; without a network.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification
"""

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Annotated, Any

import orjson
import typer
from rich.console import Console

from fhir_server.certificates import content
from fhir_server.certificates.report import brief, report
from fhir_server.cli.batch import answers
from fhir_server.cli.ending import stop
from signing import did, lists, offline, reading, revocation, rules
from signing.did import Pin
from signing.judgement import Terms
from signing.refusal import Refused
from signing.trust import TrustList, base64, collect
from signing.verification import SKEW, Verification
from signing.verify import judge

VALID, NOT_VALID, UNREADABLE = 0, 1, 2
DEFAULT_TRUST = Path("data/keys")
WORTHWHILE = 1_000_000  # bytes of a batch from which more than one process is used
LONGEST_LINE = 1024 * 1024  # characters of a batch


def verify(
    certificate: Annotated[
        str | None, typer.Argument(help="The text (HC1:…, shc:/…), a file with it, a picture or PDF of its QR code.")
    ] = None,
    trusted: Annotated[
        Path,
        typer.Option("--trust", help="Who is trusted: certificates (PEM, DER), a trust list, or a folder of these."),
    ] = DEFAULT_TRUST,
    pin: Annotated[
        list[Path] | None,
        typer.Option(help="Key that signed lists and bundles must be signed with: PEM, or a DID document."),
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Address of the issuer who published the JWK Set.")] = None,
    revoked: Annotated[Path | None, typer.Option("--revocation", help="Revocation list, or a folder of them.")] = None,
    rulebook: Annotated[Path | None, typer.Option("--rules", help="Business rules and value sets.")] = None,
    country: Annotated[str | None, typer.Option(help="Country of arrival, whose rules apply (VN).")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Offline bundle, instead of trust, lists and rules.")] = None,
    batch: Annotated[
        Path | None, typer.Option(help="Verify each line of this file (JSON; - for standard input).", allow_dash=True)
    ] = None,
    at: Annotated[str | None, typer.Option(help="Verify as of this time (RFC 3339) instead of now.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="With --batch: processes that verify (default: one a core).", min=1, max=64)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every stage.")] = False,
) -> None:
    """Verify a certificate offline, or with --batch many.

    Exit status: 0 valid; 1 not valid; 2 unreadable, or nothing to trust. A batch ends with 0 whatever it finds.
    """
    if (certificate is None) == (batch is None):
        stop("Give one certificate, or --batch with a file of them")
    try:
        moment = _time(at) if at else datetime.now(UTC)
        pins = tuple(key for file in pin or () for key in did.pins(file.read_bytes()))
        if bundle:
            terms = _bundled(bundle, pins, moment, country)
        else:
            terms = Terms(
                _trusting(trusted, pins, origin, needed=batch is None),
                moment,
                SKEW,
                revocation.load(revoked) if revoked else None,
                rules.load(rulebook).arriving(country) if rulebook else None,
            )
        if batch:
            _answer_all(batch, terms, processes or os.cpu_count() or 1)
            return
        found = [judge(text, terms) for text in texts_of(certificate or "")]
    except BrokenPipeError:  # who reads the answers has had enough: no fault, and nobody to tell
        raise
    except BrokenProcessPool:
        stop("A process that verified was killed, as happens where memory is short: the answers end before the batch")
    except (Refused, OSError, ValueError) as error:
        stop(str(error))
    for one in found:
        if as_json:
            sys.stdout.write(json.dumps(report(one), ensure_ascii=False) + "\n")
        else:
            _show(one)
    raise typer.Exit(max(VALID if one.valid else NOT_VALID if one.readable else UNREADABLE for one in found))


def texts_of(given: str) -> tuple[str, ...]:
    """Return the certificates' texts: `given` itself, or those in the file of this name; raise Refused or OSError."""
    if reading.is_certificate(given):
        return (given,)
    try:
        content = Path(given).read_bytes()
    except (OSError, ValueError) as error:  # also a name that is too long for one, or holds a zero
        why = getattr(error, "strerror", None) or str(error)
        raise Refused("unreadable", f"{given!r:.60} is no certificate's text, and no file: {why}") from None
    return reading.certificates(content)


def _trusting(path: Path, pins: tuple[Pin, ...], origin: str | None, *, needed: bool) -> TrustList:
    """Return who is trusted at `path`; raise OSError with what to do when there is nobody and somebody is needed."""
    if not path.exists():
        if not needed and path == DEFAULT_TRUST:
            return TrustList(())
        raise OSError(f"{path} does not exist: give --trust a folder or file with the signers' certificates")
    return lists.load(path, pins, origin)


def _bundled(file: Path, pins: tuple[Pin, ...], moment: datetime, country: str | None) -> Terms:
    if not pins:
        raise Refused("list-not-pinned", "give --pin the key that the bundle must be signed with")
    read = offline.read(file.read_text("ascii").strip(), pins)
    if moment > read.next_update:
        typer.echo(f"The bundle is old: it was made at {read.issued.isoformat()}", err=True)
    return Terms(read.trust, moment, SKEW, read.revoked, read.rulebook.arriving(country))


def _answer_all(file: Path, terms: Terms, processes: int) -> None:
    """Answer each line of `file` with one line, in order; of standard input as it comes."""
    asked = str(file) == "-"
    given = sys.stdin.buffer if asked else file.open("rb")
    if asked or file.stat().st_size < WORTHWHILE:
        processes = 1
    with TextIOWrapper(given, "utf-8-sig", "surrogateescape") as stream:
        for line in answers(_lines(stream), partial(answer, terms=terms), processes):
            sys.stdout.write(line + "\n")
            if asked:  # who writes one line and waits gets its answer
                sys.stdout.flush()


def _lines(stream: IO[str]) -> Iterator[str]:
    """Yield each line that is not blank; of one that is too long only its beginning, which is no JSON then."""
    while line := stream.readline(LONGEST_LINE):
        rest = line
        while rest and not rest.endswith("\n"):
            rest = stream.readline(LONGEST_LINE)
        if line.strip():
            yield line


def answer(line: str, terms: Terms) -> str:
    """Return the answer to a line of a batch, as JSON: of one verification, or `valid` false and an `error`."""
    try:
        said = json.loads(line)
        if not isinstance(said, dict) or not isinstance(said.get("certificate"), str):
            raise Refused("bad-line", 'the line is not {"certificate": "…"}')
        found = judge(said["certificate"], _terms(said, terms))
    except (Refused, ValueError, RecursionError) as error:
        code = error.code if isinstance(error, Refused) else "bad-line"
        detail = error.detail if isinstance(error, Refused) else "the line is not JSON as it should be"
        refused = {"valid": False, "stages": [], "content": None, "error": {"code": code, "detail": detail}}
        return _written(refused)
    return _written(brief(found))


def _written(value: dict[str, Any]) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # half a character, which it refuses to write
        return json.dumps(value, ensure_ascii=True)


def _terms(said: dict[str, Any], terms: Terms) -> Terms:
    """Return the terms of one line: those that it names in place of the others."""
    if said.get("at") is not None:
        terms = terms._replace(now=_time(said["at"]))
    if said.get("trust") is not None:
        terms = terms._replace(trust=_named(said["trust"]))
    return terms


def _named(certificates: Any) -> TrustList:
    if not isinstance(certificates, list) or not all(isinstance(text, str) for text in certificates):
        raise Refused("bad-line", "trust is not a list of certificates in Base64")
    entries = [(f"certificate {number}", base64(text), b"") for number, text in enumerate(certificates)]
    # Whoever is named here may sign, an authority too; besides, it vouches for the signers of seals.
    return collect(entries) | TrustList((), authorities=collect(entries, authorities=False).authorities)


def _time(text: Any) -> datetime:
    """Return the time that RFC 3339 text stands for, or midnight UTC of a date; raise Refused when it is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise Refused("bad-time", f"{text!r:.40} is no time such as 2026-11-22T08:30:00+07:00") from None


def _show(found: Verification) -> None:
    """Print the result for a person: first whether it is valid, then what it says, then each stage."""
    out = Console()
    out.print(
        "VALID / HỢP LỆ" if found.valid else "NOT VALID / KHÔNG HỢP LỆ",
        style="bold green" if found.valid else "bold red",
    )
    if found.content and not found.trusted:
        out.print("  Not authentic, do not believe it: / Nội dung chưa được xác thực, đừng tin:")
    for line in content.summary(found.content):
        out.print(f"  {line.vi} / {line.en}: {line.value}", markup=False, highlight=False, soft_wrap=True)
    if found.trusted and found.signer and found.signer.country:
        out.print(f"  Khóa ký của / Signed with a key of: {found.signer.country}", markup=False, highlight=False)
    for stage in found.stages:
        mark = {True: "ok", False: "FAILED", None: "-"}[stage.ok]
        out.print(
            f"  [{mark}] {stage.stage}: {stage.code} {stage.detail}".rstrip(),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
