"""Make the packages of profiles/ from the tables in scripts/national and a folder of collected facts.

    python -m scripts.build_profiles FACTS-FOLDER

The folder holds `national/` (what the published pages of VN Core show, the ministry's draft) and `domain/`
(administrative units). Without it the definitions alone are written, for which no facts are needed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.national import (
    certification,
    codes,
    community,
    community_records,
    community_tables,
    countries,
    ministry,
    numbering,
    programme,
    programme_doses,
    programme_events,
    programme_forecasts,
    programme_places,
    units,
    vaccines,
)
from scripts.national.notation import COMMUNITY, CORE, MOH, PROFILES, PROGRAMME, Json, Publication, rendered


def definitions() -> Iterator[tuple[Publication, Json]]:
    """Yield what is made of the tables in scripts/national alone, each resource with its set."""
    for module in (community, community_records):
        yield from ((COMMUNITY, resource) for resource in module.definitions())
    for module in (programme, programme_places, programme_doses, programme_forecasts, programme_events):
        yield from ((PROGRAMME, resource) for resource in module.definitions())
    for made in (
        codes.resources(),
        certification.resources(),
        vaccines.resources(),
        numbering.resources(),
        community_tables.parameters(),
    ):
        yield from ((PROGRAMME, resource) for resource in made)


def of_facts(folder: Path) -> Iterator[tuple[Publication, Json]]:
    """Yield what needs the collected facts."""
    national = folder / "national"
    yield from ((COMMUNITY, resource) for resource in community_tables.resources(national))
    yield PROGRAMME, countries.nationality(national / "codesystems" / "nationality-iso3166-1-2.json")
    for resource in units.resources(folder / "domain" / "admin"):
        yield (COMMUNITY if resource["url"].startswith(CORE) else PROGRAMME), resource
    yield from ((MOH, resource) for resource in ministry.resources(national / "moh-ehealth-1.0.0"))


def file(of: Publication, resource: Json) -> Path:
    """Return where a resource is kept: its type and id are the file's name."""
    return PROFILES / of.folder / "package" / f"{resource['resourceType']}-{resource['id']}.json"


def main(folder: Path | None) -> None:
    """Write every resource; with all facts, remove the files of resources that are no longer made."""
    made = list(definitions()) + (list(of_facts(folder)) if folder else [])
    files = {
        PROFILES / of.folder / "package" / f"{resource['resourceType']}-{resource['id']}.json" for of, resource in made
    }
    if len(files) < len(made):
        raise ValueError("two resources of one set have the same id")
    for of, resource in made:
        path = file(of, resource)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered(resource) + "\n", "utf-8")
    if folder:
        for path in set(PROFILES.glob("*/package/*-*.json")) - files:
            path.unlink()
    sys.stdout.write(f"{len(made)} resources\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
