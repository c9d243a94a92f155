"""`certificate issue|verify` and `keys`: certificates and keys at the command line, without a server where possible."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from fhir_server.cli import verifying
from fhir_server.cli.ending import console, stop
from signing import development, keystore, qr
from signing.algorithms import NAMES
from signing.refusal import Refused

app = typer.Typer(help="Issue and verify vaccination certificates.", no_args_is_help=True)
keys = typer.Typer(help="Make and list signing keys.", no_args_is_help=True)

DEFAULT_TRUST = verifying.DEFAULT_TRUST
app.command("verify")(verifying.verify)


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
    import httpx  # takes longer to import than a certificate to verify

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
        signers = keystore.load(folder)
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
