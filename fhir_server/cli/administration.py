"""`package` and `reindex`: what an administrator asks of a running server.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification · https://hl7.org/fhir/R4/searchparameter.html
"""

import base64
import io
import tarfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fhir_server import wire
from fhir_server.cli.ending import console, stop
from fhir_server.definitions import package
from fhir_server.definitions.package import NotAPackage
from fhir_server.outcome import FhirError

Json = dict[str, Any]
Url = Annotated[str, typer.Option(help="FHIR base URL of the running server.")]

DEFAULT_URL = "http://127.0.0.1:8080/fhir"
PATIENCE = 600  # seconds that a package may take
PAUSE = 0.5  # seconds between two looks at the progress

packages = typer.Typer(help="FHIR packages (.tgz): add, list, remove.", no_args_is_help=True)


@packages.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="A FHIR package: a .tgz, or the folder of an unpacked one.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Store a package in a running server and put it in force, in place of any other version of it."""
    try:
        content = path.read_bytes() if path.is_file() else _packed(path)
    except (NotAPackage, OSError) as error:
        stop(str(error))
    given = {"name": "package", "valueBase64Binary": base64.b64encode(content).decode()}
    rows = _ask(url, "package-add", [given])
    for row in rows:
        if row["name"] == "package":
            console.print(_line(row), markup=False, highlight=False)
        else:
            console.print(f"  {row['name']}: {_value(row)}", markup=False, highlight=False)


@packages.command("list")
def listed(url: Url = DEFAULT_URL) -> None:
    """Print the packages that a running server has stored."""
    for row in _ask(url, "package-list"):
        typer.echo(_line(row))


@packages.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The name of the package, or NAME@VERSION.")], url: Url = DEFAULT_URL
) -> None:
    """Remove a package from a running server, with those of its resources that nobody has changed since."""
    own, _, version = name.partition("@")
    given = [{"name": "name", "valueString": own}]
    given += [{"name": "version", "valueString": version}] if version else []
    [row] = _ask(url, "package-remove", given)
    console.print(f"{_value(row)} resources removed", highlight=False)


def reindex(
    types: Annotated[list[str] | None, typer.Option("--type", help="A resource type; repeat it for several.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Start nothing: follow what is under way to its end.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Have a running server make its search index anew, of all types or of some, while it goes on serving."""
    query = "".join(f"&type={type}" for type in types or ())
    if not watch:
        rows = _ask(url, "reindex-start", [{"name": "type", "valueCode": type} for type in types or ()])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, Any] = {}
        while True:
            rows = [_parts(row) for row in _ask(url, f"reindex?_format=json{query}", None)]
            for row in rows:
                if row["code"] not in tasks:
                    tasks[row["code"]] = bar.add_task(row["code"])
                total = row.get("total") or row.get("done") or 0
                bar.update(tasks[row["code"]], completed=row.get("done", 0), total=total)
            if not any(row["state"] in {"waiting", "building"} for row in rows):
                break
            time.sleep(PAUSE)
    failed = [row for row in rows if row["state"] == "failed"]
    for row in failed:
        console.print(
            f"{row['code']}: some resources could not be indexed, such as {row.get('failed', '-')}", style="red"
        )
    raise typer.Exit(1 if failed else 0)


def _packed(folder: Path) -> bytes:
    """Return the files of an unpacked package as a .tgz; raise NotAPackage when it is none."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in package.files(folder):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _ask(url: str, operation: str, given: list[Json] | None = None) -> list[Json]:
    """Return the parameters that the server answers with; stop, saying why, when it refuses or does not answer.

    `given`: posted as Parameters; None: the operation is read.
    """
    address = f"{url.rstrip('/')}/${operation}"
    try:
        if given is None:
            answer = httpx.get(address, timeout=PATIENCE)
        else:
            sent = wire.dumps({"resourceType": "Parameters", **({"parameter": given} if given else {})})
            headers = {"content-type": "application/fhir+json"}
            answer = httpx.post(address, content=sent, headers=headers, timeout=PATIENCE)
        said = wire.loads(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, FhirError) as error:
        stop(f"No FHIR server answers at {url} ({type(error).__name__}): start it, or give --url")
    if answer.status_code != 200 or not isinstance(said, dict) or said.get("resourceType") != "Parameters":
        issues = said.get("issue", ()) if isinstance(said, dict) else ()
        stop(
            "\n".join(str(issue.get("diagnostics")) for issue in issues) or f"{url} is no FHIR server with ${operation}"
        )
    rows: list[Json] = said.get("parameter", [])
    return rows


def _value(row: Json) -> Any:
    return next((value for key, value in row.items() if key.startswith("value")), None)


def _parts(row: Json) -> dict[str, Any]:
    return {part["name"]: _value(part) for part in row.get("part", ())}


def _line(row: Json) -> str:
    told = _parts(row)
    state = "" if told.get("complete") else "  incomplete: add it again, or remove it"
    return f"{told['name']}@{told['version']}  {told['resources']} resources  added {told['added']}{state}"
