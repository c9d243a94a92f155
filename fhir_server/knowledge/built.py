"""Knowledge made from definitions, pure: what is not sound is left out and named, never half believed.

https://hl7.org/fhir/R4/conformance-module.html
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
    {"StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter"}
)  # what Definitions are made of

log = logging.getLogger("fhir_server.knowledge")


@dataclass(frozen=True, slots=True)
class Sources:
    """What the settings give: where definitions come from that are not stored, and how values are indexed."""

    resources: Callable[[], Iterable[Json]]  # of the packages that ship, then of those that the settings name
    packages: frozenset[str]  # the names of those packages
    own_url: str
    configured_url: str  # "" when none is
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What one request works with."""

    generation: int
    definitions: Definitions
    validator: Validator
    indexer: Indexer
    rules: Mapping[str, frozenset[str]]  # by resource type: how each parameter is indexed
    refused: Mapping[str, tuple[Issue, ...]]  # SearchParameters that are stored but cannot be searched by: url → why
    base: Definitions  # without search parameters that were added
    parameters: tuple[Json, ...]  # search parameters of the packages that are not stored

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
    )


def packaged(settings: Settings) -> Iterator[Json]:
    """Yield the resources of the national profiles and of the packages that the settings name; raise NotAPackage."""
    yield from profiles.resources()
    for path in settings.packages:
        yield from package.read(path)


def knowledge_of(
    sources: Sources, stored: Sequence[Json], generation: int, previous: Knowledge | None = None
) -> Knowledge:
    """Return what follows from `sources` and the definitions `stored`, of which the last of a URL counts.

    `previous`, when only search parameters have changed since: all else is shared with it.
    """
    if previous is None:
        base, validator, shipped = _base(sources, [each for each in stored if not _is_parameter(each)])
    else:
        base, validator, shipped = previous.base, previous.validator, previous.parameters
    parameters = {each["url"]: each for each in (*shipped, *filter(_is_parameter, stored))}
    definitions, refused = _with_parameters(base, parameters.values(), sources)
    return Knowledge(
        generation=generation,
        definitions=definitions,
        validator=validator,
        indexer=Indexer(definitions, sources.own_url, sources.zone),
        rules={
            type: frozenset(rules(definitions, type, sources.configured_url, sources.zone).values())
            for type in definitions.resource_types
        },
        refused=refused,
        base=base,
        parameters=shipped,
    )


def _is_parameter(resource: Json) -> bool:
    return bool(resource["resourceType"] == "SearchParameter")


def _base(sources: Sources, stored: Sequence[Json]) -> tuple[Definitions, Validator, tuple[Json, ...]]:
    """Return the definitions of both, without those stored ones that cannot be read; and the shipped parameters."""
    resources = list(sources.resources())
    shipped = [each for each in resources if not _is_parameter(each)]
    parameters = tuple(filter(_is_parameter, resources))
    try:
        definitions = Definitions(core_facts(), [*shipped, *stored])
    except Exception:
        log.exception("stored definitions cannot be read together: those that can be read alone are in force")
        definitions = _sound(shipped, [each for each in stored if _readable(each)])
    return definitions, Validator(definitions), parameters


def _sound(shipped: Sequence[Json], stored: Sequence[Json]) -> Definitions:
    try:
        return Definitions(core_facts(), [*shipped, *stored])
    except Exception:
        log.exception("stored definitions cannot be read: none of them is in force")
        return Definitions(core_facts(), shipped)


def _readable(resource: Json) -> bool:
    try:
        Definitions(core_facts(), [resource])
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
