"""`terminology …`: catalogues of codes made into FHIR resources, ready for `load`.

https://hl7.org/fhir/R4/conceptmap.html · https://hl7.org/fhir/R4/codesystem.html
"""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from fhir_server import wire
from fhir_server.cli.ending import console, stop
from fhir_server.outcome import FhirError
from terminology import tabular

app = typer.Typer(help="Catalogues of codes as FHIR resources: files for `load`.", no_args_is_help=True)

MOST = 10_000  # concepts in one part of a code system
USUAL = 4_000  # so many cost a server little memory while it checks them


@app.command("import-map")
def import_map(
    file: Annotated[Path, typer.Argument(help="Table (CSV, UTF-8); the first line names its columns.")],
    system: Annotated[str, typer.Option(help="Canonical URL of the catalogue's code system.")],
    url: Annotated[str, typer.Option(help="Canonical URL of the ConceptMap to make.")],
    version: Annotated[str, typer.Option(help="Version of both, such as the day of the catalogue.")],
    name: Annotated[str, typer.Option(help="Name of both, for computers: letters and digits.")] = "Catalogue",
    output: Annotated[Path, typer.Option(help="File to write: a transaction Bundle.")] = Path("catalogue.json"),
    partial: Annotated[bool, typer.Option("--partial", help="Write the good lines although others are wrong.")] = False,
) -> None:
    """Make a CodeSystem and a ConceptMap of a table of codes, such as the ministry's own vaccine catalogue.

    Columns: code, display, target_system, target_code, target_display, equivalence, comment; only code is needed.
    Status 0: written; 1: lines are wrong, each is told; 2: the file cannot be read, or not be written.
    """
    try:
        found = tabular.read(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        stop(f"{file} cannot be read as UTF-8 text: {error}")
    for problem in found.problems:
        console.print(f"line {problem.line}: {problem.en} · {problem.vi}", markup=False, highlight=False)
    if not found.displays or (found.problems and not partial):
        console.print(f"{len(found.problems)} lines are wrong; nothing was written", highlight=False)
        raise typer.Exit(1)
    resources = [tabular.code_system(found, system, version, name)]
    if found.targets:
        resources.append(tabular.concept_map(found, url, version, f"{name}Map", system))
    _write(output, resources)
    targets = sum(len(rows) for group in found.targets.values() for rows in group.values())
    console.print(f"{output}: {len(found.displays)} codes, {targets} targets", highlight=False)
    raise typer.Exit(1 if found.problems else 0)


@app.command("split")
def split(
    file: Annotated[Path, typer.Argument(help="A CodeSystem (JSON) that is complete and too large to send.")],
    folder: Annotated[Path, typer.Option("--into", help="Folder to write the parts into.")],
    most: Annotated[int, typer.Option(help="Most concepts in one part.", min=1, max=MOST)] = USUAL,
) -> None:
    """Split a large CodeSystem into parts (content: fragment); stored, they count as one complete code system.

    Status 0: written; 2: the file is no complete CodeSystem, or the parts cannot be written.
    """
    try:
        resource = wire.loads(file.read_bytes())
    except (OSError, FhirError) as error:
        stop(f"{file} cannot be read: {error}")
    if not isinstance(resource, dict) or (resource.get("resourceType"), resource.get("content")) != (
        "CodeSystem",
        "complete",
    ):
        stop(f"{file} is no CodeSystem with content 'complete'")
    try:
        parts = list(tabular.parts(resource, most))
    except (AttributeError, KeyError, TypeError):
        stop(f"{file} is not written as a CodeSystem: `fhir-server validate` tells where")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts:
            (folder / f"CodeSystem-{part['id']}.json").write_bytes(wire.dumps(part))
    except OSError as error:
        stop(f"The parts cannot be written: {error}")
    console.print(f"{folder}: {len(parts)} parts", highlight=False)


def _write(output: Path, resources: list[dict[str, Any]]) -> None:
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    try:
        output.write_bytes(orjson.dumps(bundle, option=orjson.OPT_INDENT_2))
    except OSError as error:
        stop(f"{output} cannot be written: {error}")
