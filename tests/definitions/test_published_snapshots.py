"""Snapshots made here of R4's own 439 profiles and extensions, beside those that HL7 published of them.

https://hl7.org/fhir/R4/profilelist.html · https://hl7.org/fhir/R4/profiling.html

Every ElementDefinition is compared property by property. What differs by one of three rules is told below; the rest is
listed in published_differences.txt with its reason.
"""

import lzma
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from fhir_server.definitions import snapshots, structures

Json = dict[str, Any]
HERE = Path(__file__).parent
LINK = re.compile(r"\]\(http://hl7.org/fhir/")
TEXTS = {"short", "definition", "comment", "requirements", "alias", "mapping"}


@cache
def published() -> dict[str, list[Json]]:
    lines = lzma.decompress((HERE / "published-snapshots.ndjson.xz").read_bytes()).splitlines()
    return {row["url"]: row["snapshot"]["element"] for row in map(orjson.loads, lines[1::2])}


@cache
def made(url: str) -> Json:
    definition = structures.find(url)
    assert definition is not None
    return snapshots.generate(definition, structures.find)


def same(name: str, theirs: Any, ours: Any) -> bool:
    """Return whether two values of a property are equal but for what the publication wrote in another way.

    It made links absolute in profiles, and left out the source of some constraints.
    """
    if isinstance(theirs, str) and isinstance(ours, str):
        return LINK.sub("](", theirs) == LINK.sub("](", ours)
    if name == "constraint" and theirs and ours:
        told = [{**mine, "source": each.get("source")} for each, mine in zip(theirs, ours, strict=False)]
        return len(theirs) == len(ours) and told == [{**each, "source": each.get("source")} for each in theirs]
    return bool(theirs == ours)


def retold(name: str, element: Json, said: Json) -> bool:
    """Return whether it is a text of an extension element that the profile says nothing of.

    The publication takes such from the type Extension, and here they come from the element of the base.
    """
    is_extension = element["base"]["path"].rpartition(".")[2] in ("Extension", "extension", "modifierExtension")
    return is_extension and name in TEXTS and (name not in said or name == "mapping")


def differences(url: str) -> Iterator[tuple[str, str]]:
    """Yield what is different: the id of an element and the property, or `order`, `missing`, `added`."""
    theirs = {element["id"]: element for element in published()[url]}
    ours = {element["id"]: element for element in made(url)["snapshot"]["element"]}
    said = {element["id"]: element for element in made(url)["differential"]["element"]}
    common = [id for id in ours if id in theirs]
    if common != [id for id in theirs if id in ours]:
        yield "", "order"
    yield from ((id, "missing") for id in theirs if id not in ours)
    yield from ((id, "added") for id in ours if id not in theirs)
    for id in common:
        for name in sorted({*theirs[id], *ours[id]}):
            if same(name, theirs[id].get(name), ours[id].get(name)):
                continue
            if not retold(name, ours[id], said.get(id, {})):
                yield id, name


def known() -> set[str]:
    lines = (HERE / "published_differences.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_snapshots_are_those_that_were_published_but_for_the_known_differences() -> None:
    found = {f"{url.rpartition('/')[2]} {id} {name}" for url in published() for id, name in differences(url)}
    assert found == known()  # one that is gone is to be taken off the list


def test_so_many_are_compared() -> None:
    assert len(published()) == 439
    assert sum(map(len, published().values())) == 5231


def test_a_profile_is_listed_as_different_only_when_it_is() -> None:
    """Of 439, this many are equal but for the three rules."""
    assert len(published()) - len({line.split()[0] for line in known()}) == EQUAL


EQUAL = 430
