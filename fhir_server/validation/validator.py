"""The validator: a resource of any type against R4 and against the profiles that it declares.

https://hl7.org/fhir/R4/validation.html
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from fhir_server.definitions import Definitions
from fhir_server.outcome import Issue
from fhir_server.validation import bundles, canonicals, contained, days, discriminators, primitives, questionnaires
from fhir_server.validation.extensions import Extensions
from fhir_server.validation.profile import Profile, Profiles
from fhir_server.validation.report import (
    Asked,
    CodeIsIn,
    Defaults,
    Enough,
    KeepsRule,
    Lookups,
    MatchesProfile,
    Path,
    Report,
    Walk,
    below,
    root,
    shown,
)
from fhir_server.validation.seen import Seen
from fhir_server.validation.shapes import MAX_NAME
from fhir_server.validation.structure import Check, Structures

Json = dict[str, Any]

CORE = "http://hl7.org/fhir/StructureDefinition/"
MAX_PLANS: Final = 512
MAX_DECLARED: Final = 8  # profiles of one resource: longer lists are read each time


class Plan(NamedTuple):
    """What a resource is checked by, beside its type."""

    checks: list[Check]
    covered: frozenset[str]  # the profiles that these are, and those that they derive from


class Validator:
    """Checks resources against one set of definitions; everything compiled is kept. Pure: it asks, never awaits."""

    def __init__(self, definitions: Definitions):
        self._definitions = definitions
        seen = Seen()
        self._profiles = Profiles(definitions, seen)
        extensions = Extensions(definitions, self._profiles)
        self._structures = Structures(definitions, self._inner, extensions.content, extensions.position, seen)
        self._below: dict[str, tuple[str, ...]] = {}
        self._by_type: dict[tuple[str, ...], Mapping[str, tuple[str, ...]]] = {}
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}  # by type, and what is declared
        self._lookups = Lookups(self._belongs, self._profiles.conforms)

    def validate(
        self,
        resource: Any,
        profiles: Iterable[str] = (),
        at: str | None = None,
        *,
        today: str | None = None,
        defaults: Defaults | None = None,
        best_practice: bool = False,
        must_support: bool = False,
    ) -> Report:
        """Return the issues of `resource`, as `wire.loads` reads it, and the questions that remain.

        It is checked against R4, the profiles of its meta.profile and `profiles`. Expressions start at `at`
        ("Bundle.entry[3].resource"), by default at the resource's type. `today` ("2026-03-20") is the day for codes
        that hold for a time, where the resource tells no other; without it they are not checked. `defaults` are
        profiles for every resource of a type, but not for contained ones. On request good
        advice (`best_practice`) and missing mustSupport elements are told too. Raises nothing, whatever it is given.
        """
        walk = Walk(self._lookups, today, best_practice)
        walk.must_support = must_support
        walk.defaults = defaults
        kind = resource.get("resourceType") if type(resource) is dict else None
        path = root(at or (kind if type(kind) is str and kind in self._definitions.resource_types else "Resource"))
        with suppress(Enough):
            self._whole(resource, path, walk, tuple(profiles))
        report = walk.report()
        return _answered(report, resource) if kind == "Bundle" else report

    def _whole(self, value: Any, path: Path, walk: Walk, profiles: tuple[str, ...] = ()) -> None:
        """Check a resource that stands for itself: the root, or one in a Bundle entry or a parameter."""
        kind = self._type(value, path, walk)
        if kind is None:
            return
        outer = walk.resource, walk.holder, walk.anchors, walk.base, walk.days, walk.bundle
        walk.resource, walk.holder, walk.anchors, walk.base = value, value, contained.anchors(value), path
        walk.days = days.chosen(value, kind, walk.today)
        if kind == "Bundle":
            walk.bundle = bundles.targets(value)
            walk.conditional = walk.conditional or value.get("type") == "transaction"
        self._structures.resource(kind)(value, path, walk)
        if "contained" in value:
            contained.check(value, path, walk)
        if kind == "Bundle":
            bundles.check(value, path, walk)
        elif kind == "QuestionnaireResponse":
            self._answers(value, path, walk)
        elif kind in canonicals.TYPES:
            canonicals.check(value, path, walk, self._definitions, self._profiles)
        conforming = self._conforms(value, kind, path, walk, profiles)
        if walk.defaults is not None and kind in walk.defaults.profiles:
            self._defaults(value, walk.defaults, path, walk, conforming)
        walk.resource, walk.holder, walk.anchors, walk.base, walk.days, walk.bundle = outer

    def _inner(self, value: Any, path: Path, walk: Walk) -> None:
        """Check a resource within another one: contained ones share its anchors, the others stand for themselves."""
        if path[1] != "contained":
            self._whole(value, path, walk)
            return
        kind = self._type(value, path, walk)
        if kind is not None:
            outer = walk.resource, walk.base
            walk.resource, walk.base = value, path
            self._structures.resource(kind)(value, path, walk)
            if kind in canonicals.TYPES:
                canonicals.check(value, path, walk, self._definitions, self._profiles)
            self._conforms(value, kind, path, walk)
            walk.resource, walk.base = outer

    def _answers(self, response: Json, path: Path, walk: Walk) -> None:
        """Check a QuestionnaireResponse against its Questionnaire, when that is contained or among the definitions."""
        canonical = response.get("questionnaire")
        if type(canonical) is not str:
            return
        form = self._definitions.questionnaires.get(canonical.partition("|")[0]) or walk.resolve(canonical)
        if form is not None and form.get("resourceType") == "Questionnaire":
            questionnaires.check(response, form, path, walk, self._belongs)

    def _belongs(self, value: Any, value_set: str) -> bool | None:
        """Return whether a code, Coding or CodeableConcept is in a value set; None when that is not known here."""
        codes = self._definitions.codes(value_set)
        return None if codes is None else discriminators.coded(value, codes)

    def _conforms(
        self, value: Json, kind: str, path: Path, walk: Walk, profiles: tuple[str, ...] = ()
    ) -> frozenset[str]:
        """Check the resource against `profiles` and those that it declares, each once, with what they derive from.

        Return all the profiles that it was checked against.
        """
        meta = value.get("meta")
        declared = meta.get("profile") if type(meta) is dict else None
        if type(declared) is list:
            profiles = (*profiles, *(url for url in declared if type(url) is str))
        if not profiles:
            return frozenset()
        first = len(walk.issues), len(walk.asked)
        plan = self._plans.get((kind, profiles)) or self._plan(kind, profiles, path, walk)
        for check in plan.checks:
            check(value, path, walk)
        if walk.defaults is not None and not walk.defaults.declared:
            _weaken(walk, *first)
        return plan.covered

    def _plan(self, kind: str, profiles: tuple[str, ...], path: Path, walk: Walk) -> Plan:
        """Return what a resource that declares `profiles` is checked by; report those that it cannot be checked by."""
        found: dict[str, Profile] = {}
        first = len(walk.issues)
        for canonical in profiles:
            url, _, version = canonical.partition("|")
            profile = self._profiles.get(url)
            if profile is None:
                _unknown(canonical, kind, path, walk)
            elif profile.type != kind:
                _for_another_type(profile, kind, path, walk)
            else:
                found[url] = profile
                if version and profile.version is not None and version != profile.version:
                    _another_version(profile, version, path, walk)
        inherited = frozenset().union(*(profile.ancestors for profile in found.values()))
        checks = [profile.check for url, profile in found.items() if url not in inherited]
        plan = Plan(checks, inherited | found.keys())
        if len(walk.issues) == first and len(profiles) <= MAX_DECLARED and len(self._plans) < MAX_PLANS:
            self._plans[kind, profiles] = plan
        return plan

    def _defaults(self, value: Json, defaults: Defaults, path: Path, walk: Walk, conforming: frozenset[str]) -> None:
        """Check the resource against the profiles of its type that it was not checked against yet."""
        first = len(walk.issues), len(walk.asked)
        for url in defaults.profiles[value["resourceType"]]:
            profile = None if url in conforming else self._profiles.get(url)
            if profile is not None and profile.type == value["resourceType"]:
                profile.check(value, path, walk)
        if not defaults.enforced:
            _weaken(walk, *first)

    def declares(self, resource: Any, profiles: Iterable[str]) -> bool:
        """Return whether `resource`, which is valid R4, declares one of `profiles` or one that derives from it."""
        for canonical in resource.get("meta", {}).get("profile", ()):
            own = self._profiles.get(canonical.partition("|")[0])
            if own is not None and any(url == own.url or url in own.ancestors for url in profiles):
                return True
        return False

    def follows(self, resource: Any, profiles: Iterable[str]) -> bool:
        """Return whether `resource`, which is valid R4, breaks no rule of one of `profiles`, or none of them is known.

        What it declares was checked when it was stored: ask that first.
        """
        wanted = [profile for url in profiles if (profile := self._profiles.get(url)) is not None]
        walk = Walk(self._lookups)
        walk.resource = walk.holder = resource
        return not wanted or any(
            walk.passes(each.check, resource) for each in wanted if each.type == resource["resourceType"]
        )

    def unchecked(self, url: str) -> tuple[tuple[str, str], ...]:
        """Return what of the profile `url` is not checked here: the rule or the element, and why."""
        profile = self._profiles.get(url)
        return () if profile is None else profile.unchecked

    def knows_system(self, url: str) -> bool:
        """Return whether all codes of a code system are known here."""
        return self._definitions.codes_of_system(url) is not None

    def profiles_below(self, base: str) -> tuple[str, ...]:
        """Return the resource profiles whose canonical URL begins with `base`, the most derived ones."""
        if base not in self._below:
            known = self._definitions.profiles
            own = [url for url, one in known.items() if url.startswith(base) and one.get("kind") == "resource"]
            parents = {known[url].get("baseDefinition") for url in own}
            derived = (url for url in own if known[url].get("derivation") == "constraint")
            self._below[base] = tuple(url for url in derived if url not in parents)
        return self._below[base]

    def by_type(self, urls: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """Return profiles by the resource type that each is for; those that are not known stand under ""."""
        if urls not in self._by_type:
            found: dict[str, tuple[str, ...]] = {}
            for url in urls:
                type = str((self._definitions.profile(url) or {}).get("type", ""))
                found[type] = (*found.get(type, ()), url)
            self._by_type[urls] = found
        return self._by_type[urls]

    def _type(self, value: Any, path: Path, walk: Walk) -> str | None:
        """Return the resource type of `value`; report when there is none."""
        if type(value) is not dict:
            remedy = primitives.wrong_kind(
                value, 'a resource, { "resourceType": … }', 'tài nguyên { "resourceType": … }'
            )
            walk.error("structure", path, "Resource:shape", remedy.en, remedy.vi)
            return None
        kind = value.get("resourceType")
        if type(kind) is str and kind in self._definitions.resource_types:
            return kind
        if kind is None:
            walk.error(
                "structure",
                path,
                "Resource:resourceType",
                'The resource does not say what it is: add "resourceType", such as "Immunization"',
                'Tài nguyên không cho biết loại: hãy thêm "resourceType", ví dụ "Immunization"',
            )
            return None
        near = get_close_matches(kind, self._definitions.resource_types, n=1) if _short(kind) else []
        remedy_en, remedy_vi = (
            (f"did you mean '{near[0]}'?", f"có phải là '{near[0]}' không?")
            if near
            else ("use one of the resource types of R4", "hãy dùng một loại tài nguyên của R4")
        )
        walk.error(
            "structure",
            path,
            "Resource:resourceType",
            f"'{shown(kind)}' is not an R4 resource type: {remedy_en}",
            f"'{shown(kind)}' không phải loại tài nguyên R4: {remedy_vi}",
        )
        return None


def _weaken(walk: Walk, issues: int, asked: int) -> None:
    """Make warnings of the errors after the first `issues`, and of those that questions after `asked` may lead to."""
    walk.issues[issues:] = [_warning(issue) for issue in walk.issues[issues:]]
    walk.asked[asked:] = [_unenforced(question) for question in walk.asked[asked:]]


def _warning(issue: Issue) -> Issue:
    return issue._replace(severity="warning") if issue.severity == "error" else issue


def _unenforced(question: Asked) -> Asked:
    if isinstance(question, MatchesProfile) or question.severity != "error":
        return question
    return question._replace(severity="warning")


def _short(name: Any) -> bool:
    return type(name) is str and len(name) <= MAX_NAME


def _answered(report: Report, bundle: Json) -> Report:
    """Return `report` without the questions that the entries of `bundle` answer."""
    resources = (entry.get("resource") for _, entry in bundles.entries(bundle))
    named = ((part.get("resourceType"), part.get("id")) for part in resources if type(part) is dict)
    within = {key for key in named if type(key[0]) is str and type(key[1]) is str}
    asked = (
        one for one in report.questions if isinstance(one, CodeIsIn | KeepsRule) or (one.type, one.id) not in within
    )
    return report._replace(questions=tuple(asked))


def _unknown(canonical: str, kind: str, path: Path, walk: Walk) -> None:
    if canonical.partition("|")[0] == f"{CORE}{kind}":
        return  # the type itself: every resource is checked against it
    walk.warn(
        "not-found",
        below(below(path, "meta"), "profile"),
        "meta:profile",
        f"The profile {shown(canonical)} is not known here and was not checked: load its package, or correct the URL",
        f"Hồ sơ {shown(canonical)} chưa có ở đây nên chưa được kiểm tra: hãy nạp gói chứa hồ sơ hoặc sửa URL",
    )


def _for_another_type(profile: Profile, kind: str, path: Path, walk: Walk) -> None:
    walk.error(
        "value",
        below(below(path, "meta"), "profile"),
        "meta:profile",
        f"The profile {profile.url} is for {profile.type}, this is a {kind}: take one of {kind}",
        f"Hồ sơ {profile.url} dành cho {profile.type}, còn đây là {kind}: hãy dùng hồ sơ của {kind}",
        profile.url,
    )


def _another_version(profile: Profile, version: str, path: Path, walk: Walk) -> None:
    walk.warn(
        "business-rule",
        below(below(path, "meta"), "profile"),
        "meta:profile",
        f"Version {shown(version)} of {profile.url} is declared, {profile.version} is known here and was checked",
        f"Khai báo phiên bản {shown(version)} của {profile.url}, ở đây có và đã kiểm tra theo {profile.version}",
        profile.url,
    )
