"""`certificate issue|verify` and `keys`: certificates and keys at the command line, without a server where possible."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.table import Table

from fhir_server.certificates import content
from fhir_server.certificates.report import report
from fhir_server.cli.serving import stop
from signing import development, qr, trust
from signing import keys as keyring
from signing.algorithms import NAMES
from signing.refusal import Refused
from signing.trust import TrustList
from signing.verify import Verification
from signing.verify import verify as verified

app = typer.Typer(help="Issue and verify vaccination certificates.", no_args_is_help=True)
keys = typer.Typer(help="Make and list signing keys.", no_args_is_help=True)

console = Console(stderr=True)
VALID, NOT_VALID, UNREADABLE = 0, 1, 2
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"}
DEFAULT_TRUST = Path("data/keys")


@app.command()
def verify(
    certificate: Annotated[str, typer.Argument(help="The text (HC1:…), a file with it, or a picture of its QR code.")],
    trusted: Annotated[
        Path,
        typer.Option("--trust", help="Certificates of signers: a PEM or DER file, a folder of them, or a trust list."),
    ] = DEFAULT_TRUST,
    at: Annotated[str | None, typer.Option(help="Verify as of this time (RFC 3339) instead of now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every stage.")] = False,
) -> None:
    """Verify a certificate offline.

    Exit status: 0 valid; 1 not valid; 2 unreadable, or nothing to trust.
    """
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(UTC)
        found = verified(
            text_of(certificate), trusting(trusted), moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        )
    except (Refused, OSError, ValueError) as error:
        stop(str(error))
    if as_json:
        sys.stdout.write(json.dumps(report(found), ensure_ascii=False) + "\n")
    else:
        _show(found)
    raise typer.Exit(VALID if found.valid else NOT_VALID if found.readable else UNREADABLE)


def text_of(given: str) -> str:
    """Return the certificate's text: `given` itself, or what the file of this name holds; raise Refused or OSError."""
    if given[:4].upper() in {"HC1:", "HC2:", "HL0:"}:
        return given
    file = Path(given)
    if file.suffix.lower() in PICTURES:
        return the_certificate(qr.read(file.read_bytes()))
    # An editor ends a file with a line break; a space, however, belongs to the text.
    return file.read_text(encoding="utf-8").rstrip("\r\n")


def the_certificate(texts: tuple[str, ...]) -> str:
    """Return the certificate among the QR codes of a picture; raise Refused when there is none."""
    found = next((text for text in texts if text.startswith("HC1:")), None)
    if found is None:
        raise Refused("no-certificate", f"the picture holds {len(texts)} QR codes, none of them a certificate")
    return found


def trusting(path: Path) -> TrustList:
    """Return the signers at `path`; raise OSError with what to do when there is nothing."""
    if not path.exists():
        raise OSError(f"{path} does not exist: give --trust a folder or file with the signers' certificates")
    return trust.load(path)


def _show(found: Verification) -> None:
    """Print the result for a person: first whether it is valid, then what it says, then each stage."""
    out = Console()
    out.print(
        "VALID / HỢP LỆ" if found.valid else "NOT VALID / KHÔNG HỢP LỆ",
        style="bold green" if found.valid else "bold red",
    )
    for line in content.summary(found.content):
        out.print(f"  {line.vi} / {line.en}: {line.value}", markup=False, highlight=False, soft_wrap=True)
    for stage in found.stages:
        mark = {True: "ok", False: "FAILED", None: "-"}[stage.ok]
        out.print(
            f"  [{mark}] {stage.stage}: {stage.code} {stage.detail}".rstrip(),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def issue(
    patient: Annotated[str, typer.Argument(help="Id of the Patient.")],
    url: Annotated[str, typer.Option(help="FHIR base URL of the running server.")] = "http://127.0.0.1:8080/fhir",
    target_disease: Annotated[str | None, typer.Option(help="SNOMED CT code (default: COVID-19).")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the QR code into this SVG file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the QR code into this PNG file.")] = None,
) -> None:
    """Have a running server issue a certificate, and print its text."""
    rows: list[dict[str, Any]] = [{"name": "format", "valueCode": "hc1"}]
    if target_disease:
        rows.append({"name": "targetDisease", "valueCode": target_disease})
    id = patient.removeprefix("Patient/")
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/Patient/{quote(id, safe='')}/$issue-certificate",
            json={"resourceType": "Parameters", "parameter": rows},
            timeout=60,
        )
        said = answer.json()
        problems = [problem["diagnostics"] for problem in said.get("issue", ())]
        text = next((row["valueString"] for row in said.get("parameter", ()) if row["name"] == "content"), None)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        stop(f"No connection to {url}: {error}")
    except (ValueError, TypeError, KeyError, AttributeError):
        stop(f"The answer ({answer.status_code}) is not that of a FHIR server: is the --url right?")
    if text is None:
        for problem in problems:
            console.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    sys.stdout.write(text + "\n")
    try:
        if svg:
            svg.write_text(qr.svg(text))
        if png:
            png.write_bytes(qr.png(text))
    except (OSError, Refused) as error:
        stop(f"The certificate is issued, its picture is not written: {error}")


@keys.command("make")
def make(
    folder: Annotated[Path, typer.Argument(help="Folder to write the keys into; made when missing.")],
    algorithm: Annotated[str, typer.Option(help="ES256 or PS256.")] = "ES256",
) -> None:
    """Make a development key with its own authority. Nobody else trusts it: for production use your authority's."""
    codes = {name: code for code, name in NAMES.items()}
    if algorithm not in codes:
        stop(f"{algorithm} is not one of {', '.join(codes)}")
    try:
        key = development.generate(folder, datetime.now(UTC), codes[algorithm])
    except (Refused, OSError) as error:
        stop(str(error))
    console.print(f"Made key {key.kid.hex()} ({algorithm}) in {folder}", markup=False)


@keys.command("list")
def list_keys(folder: Annotated[Path, typer.Argument(help="Folder of the keys.")] = DEFAULT_TRUST) -> None:
    """List the signing keys of a folder; the first that is valid signs."""
    try:
        signers = keyring.load(folder)
    except (Refused, OSError) as error:
        stop(str(error))
    table = Table("kid", "algorithm", "country", "valid from", "valid until", "now")
    now = datetime.now(UTC)
    for key in signers.keys:
        signer = key.signer
        table.add_row(
            key.kid.hex(),
            NAMES[key.algorithm],
            signer.country or "-",
            f"{signer.not_before:%Y-%m-%d}",
            f"{signer.not_after:%Y-%m-%d}",
            "signs" if key.valid_at(now) else "verifies only",
        )
    Console().print(table)
