"""Knowledge made from definitions, pure: what is not sound is left out and named, never half believed.

https://hl7.org/fhir/R4/conformance-module.html
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import profiles
from fhir_server.definitions import Definitions, core_facts, package
from fhir_server.outcome import Issue
from fhir_server.search import custom
from fhir_server.search.index import Indexer
from fhir_server.search.parameters import Catalogue, Unbuilt
from fhir_server.search.rules import rules
from fhir_server.settings import Settings
from fhir_server.validation import Validator

Json = dict[str, Any]

WATCHED = frozenset(
    {"StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter", "Questionnaire"}
)  # what Definitions are made of

log = logging.getLogger("fhir_server.knowledge")


@dataclass(frozen=True, slots=True)
class Sources:
    """What the settings give: where definitions come from that are not stored, and how values are indexed.

    Two are equal when they lead to the same definitions.
    """

    resources: Callable[[], Iterable[Json]] = field(compare=False)  # of what ships, then of what the settings name
    packages: frozenset[str]  # the names of those packages
    own_url: str = field(compare=False)
    configured_url: str = field(compare=False)  # "" when none is
    zone: ZoneInfo = field(compare=False)
    files: Hashable = field(default_factory=object)  # equal when `resources` are


@dataclass(frozen=True, slots=True, eq=False)
class Shipped:
    """What R4 and the packages that are not stored define; read once."""

    definitions: Definitions
    parameters: tuple[Json, ...]  # SearchParameters of the packages
    vocabulary: frozenset[str]  # URLs of the value sets and code systems that their value sets are made of


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What one request works with."""

    generation: int
    definitions: Definitions
    validator: Validator
    indexer: Indexer
    rules: Mapping[str, frozenset[str]]  # by resource type: how each parameter is indexed
    refused: Mapping[str, tuple[Issue, ...]]  # SearchParameters that are stored but cannot be searched by: url → why
    shipped: "Shipped"
    base: Definitions  # what ships and what is stored, without search parameters that were added

    def problems(self, resource: Any) -> list[Issue]:
        """Return why a resource that R4 finds valid cannot take effect here; [] for what takes none."""
        if resource.get("resourceType") == "SearchParameter" and custom.in_force(resource):
            return custom.problems(resource, self.indexer.catalogue)
        return []

    def without(self, unbuilt: Unbuilt) -> "Knowledge":
        """Return the same, but parameters that are `unbuilt` cannot be searched by."""
        return replace(self, indexer=self.indexer.without(unbuilt))


def sources_of(settings: Settings) -> Sources:
    """Return what `settings` name; raise NotAPackage when a package cannot be read."""
    shipped = [str(profiles.manifest(name)["name"]) for name in profiles.DEFAULT]
    own_url = settings.base_url or f"http://{settings.host}:{settings.port}/fhir"
    return Sources(
        resources=partial(packaged, settings),
        packages=frozenset([*shipped, *(package.name(path) for path in settings.packages)]),
        own_url=own_url.rstrip("/"),
        configured_url=(settings.base_url or "").rstrip("/"),
        zone=ZoneInfo(settings.time_zone),
        files=tuple((str(path), _changed(path)) for path in settings.packages),
    )


def _changed(path: Path) -> int:
    """Return when the file, or any file of the folder, was changed last."""
    files = (path, *path.glob("**/*.json")) if path.is_dir() else (path,)
    return max(file.stat().st_mtime_ns for file in files)


def packaged(settings: Settings) -> Iterator[Json]:
    """Yield the resources of the national profiles and of the packages that the settings name; raise NotAPackage."""
    yield from profiles.resources()
    for path in settings.packages:
        yield from package.read(path)


def knowledge_of(
    sources: Sources,
    stored: Sequence[Json],
    generation: int,
    previous: Knowledge | None = None,
    *,
    only_parameters: bool = False,
) -> Knowledge:
    """Return what follows from `sources` and the definitions `stored`, of which the last of a URL counts.

    With what was made before: what ships is the same, and with `only_parameters` all else but search parameters.
    """
    shipped = _shipped(sources) if previous is None else previous.shipped
    if previous is not None and only_parameters:
        base, validator = previous.base, previous.validator
    else:
        base = _sound(sources, shipped, [each for each in stored if not _is_parameter(each)])
        validator = Validator(base)
    parameters = {each["url"]: each for each in (*shipped.parameters, *filter(_is_parameter, stored))}
    definitions, refused = _with_parameters(base, parameters.values(), sources)
    knowledge = Knowledge(
        generation=generation,
        definitions=definitions,
        validator=validator,
        indexer=Indexer(definitions, sources.own_url, sources.zone),
        rules={
            type: frozenset(rules(definitions, type, sources.configured_url, sources.zone).values())
            for type in definitions.resource_types
        },
        refused=refused,
        shipped=shipped,
        base=base,
    )
    if previous is not None:  # what requests needed before is compiled before they need it again
        for type in previous.indexer.prepared:
            knowledge.indexer.prepare([type])
            knowledge.validator.validate({"resourceType": type})
    return knowledge


def _is_parameter(resource: Json) -> bool:
    return bool(resource["resourceType"] == "SearchParameter")


@lru_cache(maxsize=1)  # a process starts a server twice: to see whether it can, and to serve
def _shipped(sources: Sources) -> Shipped:
    resources = list(sources.resources())
    sets = [each for each in resources if each["resourceType"] == "ValueSet"]
    return Shipped(
        definitions=Definitions(core_facts(), [each for each in resources if not _is_parameter(each)]),
        parameters=tuple(filter(_is_parameter, resources)),
        vocabulary=frozenset(url for each in sets for url in _made_of(each)),
    )


def _made_of(value_set: Json) -> Iterator[str]:
    compose = value_set.get("compose", {})
    for part in (*compose.get("include", ()), *compose.get("exclude", ())):
        yield part.get("system", "")
        yield from (url.partition("|")[0] for url in part.get("valueSet", ()))


def _sound(sources: Sources, shipped: Shipped, stored: Sequence[Json]) -> Definitions:
    """Return the definitions of both; without those stored ones that cannot be read, when there are any."""
    try:
        return _together(sources, shipped, stored)
    except Exception:
        log.exception("stored definitions cannot be read together: those that can be read alone are in force")
    sound = [each for each in stored if _readable(shipped, each)]
    try:
        return _together(sources, shipped, sound)
    except Exception:
        log.exception("stored definitions cannot be read: none of them is in force")
        return shipped.definitions


def _together(sources: Sources, shipped: Shipped, stored: Sequence[Json]) -> Definitions:
    if shipped.vocabulary.isdisjoint(each["url"] for each in stored):
        return shipped.definitions.with_resources(stored)
    # Value sets that ship are made of something that is stored: they are made again.
    return Definitions(core_facts(), [*(each for each in sources.resources() if not _is_parameter(each)), *stored])


def _readable(shipped: Shipped, resource: Json) -> bool:
    try:
        shipped.definitions.with_resources([resource])
    except Exception as error:
        log.error("%s %s is not in force: %r", resource["resourceType"], resource.get("url"), error)
        return False
    return True


def _with_parameters(
    base: Definitions, parameters: Iterable[Json], sources: Sources
) -> tuple[Definitions, dict[str, tuple[Issue, ...]]]:
    """Return `base` with those parameters that can be searched by, and why the others cannot.

    Composites may be made of others, so what waits for a part is tried again as long as that helps.
    """
    definitions = base
    refused: dict[str, tuple[Issue, ...]] = {}
    waiting = [each for each in parameters if each.get("status") != "retired"]
    while waiting:
        refused = {}
        for each in waiting:
            problems = custom.problems(each, Catalogue(definitions, sources.own_url, sources.zone))
            if problems:
                refused[str(each["url"])] = tuple(problems)
            else:
                definitions = definitions.with_search_parameters([each])
        again = [each for each in waiting if each["url"] in refused]
        if len(again) == len(waiting):
            break
        waiting = again
    return definitions, refused
