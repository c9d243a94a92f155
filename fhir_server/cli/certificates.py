"""`certificate issue|verify`: certificates at the command line, without a server where possible.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from fhir_server.cli import verifying
from fhir_server.cli.ending import console, stop
from signing import qr, shc
from signing.refusal import Refused

app = typer.Typer(help="Issue and verify vaccination certificates.", no_args_is_help=True)

app.command("verify")(verifying.verify)


@app.command()
def issue(
    patient: Annotated[str | None, typer.Argument(help="Id of the Patient.")] = None,
    url: Annotated[str, typer.Option(help="FHIR base URL of the running server.")] = "http://127.0.0.1:8080/fhir",
    format: Annotated[
        str, typer.Option(help="hc1, shc, icvp or vds-nc; with --all-due also several: hc1,shc.")
    ] = "hc1",
    target_disease: Annotated[
        str | None, typer.Option(help="SNOMED CT code (default: what the format is for).")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the QR code into this SVG file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the QR code into this PNG file.")] = None,
    all_due: Annotated[
        bool, typer.Option("--all-due", help="Issue for everybody who is due: works at the database, needs no server.")
    ] = False,
    mongodb_uri: Annotated[str | None, typer.Option(help="With --all-due: MongoDB replica set.")] = None,
    database: Annotated[str | None, typer.Option(help="With --all-due: name of the database.")] = None,
    keys: Annotated[Path | None, typer.Option(help="With --all-due: folder of the signing keys.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="With --all-due: processes that sign (default: one a core).", min=1, max=64)
    ] = None,
) -> None:
    """Have a running server issue a certificate, and print its text; or issue for everybody who is due."""
    if all_due and patient is not None:
        stop("Either the id of one Patient, or --all-due for everybody.")
    if all_due:
        from fhir_server.cli import issuing

        given = {"mongodb_uri": mongodb_uri, "database": database, "keys": keys}
        known = {name: value for name, value in given.items() if value is not None}
        issuing.all_due(known, format.split(","), target_disease, processes or os.cpu_count() or 1)
        return
    if patient is None:
        stop("Whose certificate? Give the id of the Patient, or --all-due.")
    rows: list[dict[str, Any]] = [{"name": "format", "valueCode": format}]
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
            console.print(problem, style="red", markup=False, highlight=False)
        raise typer.Exit(1)
    sys.stdout.write(text + "\n")
    try:
        shown = shc.numeric(text) if format == "shc" else text
        if svg:
            svg.write_text(qr.svg(shown))
        if png:
            png.write_bytes(qr.png(shown))
    except (OSError, Refused) as error:
        stop(f"The certificate is issued, its picture is not written: {error}")
