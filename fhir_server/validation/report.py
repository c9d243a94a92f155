"""What a validation finds: issues, the questions that only I/O can answer, and the walk that collects both.

https://hl7.org/fhir/R4/validation.html · https://hl7.org/fhir/R4/operationoutcome.html
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from fhir_server.fhirpath.around import Around
from fhir_server.outcome import Issue, Severity

MAX_ISSUES: Final = 200
MAX_DEPTH: Final = 100  # elements within elements
MAX_SUGGESTIONS: Final = 10  # comparing spellings is the dearest thing a hostile body could ask for
MAX_SHOWN: Final = 48  # characters of a value quoted in a text

# Where the walk is: parent, step, index in an array, depth. Linked, because most paths are never written out.
Path = tuple[Any, str, int | None, int]


class Exists(NamedTuple):
    """Does the referenced resource exist? Asked of the store for each literal relative reference, and for URNs."""

    type: str  # "": the id is a URN, which leads to something within its Bundle only
    id: str
    version: str | None
    at: Path  # of the Reference element

    @property
    def expression(self) -> str:
        """The path as FHIRPath."""
        return render(self.at)


class MatchesProfile(NamedTuple):
    """Does the referenced resource follow one of these profiles? Asked when it is not at hand."""

    type: str
    id: str
    profiles: tuple[str, ...]
    at: Path  # of the Reference element
    rule: str
    profile: str  # that demands it

    @property
    def expression(self) -> str:
        """The path as FHIRPath."""
        return render(self.at)


class CodeIsIn(NamedTuple):
    """Is one of these codes in the value set? Asked of the terminology service where it cannot be enumerated here."""

    value_set: str
    codings: tuple[tuple[str | None, str], ...]  # system, code
    severity: Severity  # of the issue when none is
    days: tuple[str, str] | None  # first and last day on which the code may have been chosen; None: today
    at: Path
    rule: str
    profile: str | None

    @property
    def expression(self) -> str:
        """The path as FHIRPath."""
        return render(self.at)


class KeepsRule(NamedTuple):
    """Is a rule kept that looks at other resources? Asked when they are not at hand."""

    targets: tuple[tuple[str, str], ...]  # type, id
    kept: Callable[[Mapping[tuple[str, str], dict[str, Any]]], bool]  # told what was found of these
    severity: Severity  # of the issue when it is not
    text: tuple[str, str]  # en, vi
    at: Path
    rule: str
    profile: str | None

    @property
    def expression(self) -> str:
        """The path as FHIRPath."""
        return render(self.at)


Asked = MatchesProfile | CodeIsIn | KeepsRule
Question = Exists | Asked


class Report(NamedTuple):
    """Issues found without I/O, and the questions only I/O can answer."""

    issues: tuple[Issue, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def valid(self) -> bool:
        """True when no issue is an error."""
        return all(issue.severity in ("warning", "information") for issue in self.issues)


class Lookups(NamedTuple):
    """What expressions ask of the definitions."""

    belongs: Callable[[Any, str], bool | None] | None = None  # value, value set
    conforms: "Callable[[Any, str, Walk], bool | None] | None" = None  # value, profile, the walk that asks


class Defaults(NamedTuple):
    """Profiles that every resource of a type is checked against, whatever it declares."""

    profiles: Mapping[str, tuple[str, ...]]  # resource type → canonical URLs
    enforced: bool  # otherwise what breaks them is a warning
    declared: bool = True  # whether the profiles that resources declare are enforced


class Enough(Exception):
    """So many issues were found that the rest of the resource is not read."""


class Walk:
    """One validation on its way through a resource."""

    __slots__ = (
        *("anchors", "asked", "base", "best_practice", "beyond", "bundle", "conditional", "conforming", "dated"),
        *("days", "defaults", "holder", "issues", "lookups", "must_support", "near", "open", "questions"),
        *("resource", "sought", "suggestions", "today", "written"),
    )

    def __init__(self, lookups: Lookups | None = None, today: str | None = None, best_practice: bool = False) -> None:
        self.issues: list[Issue] = []
        self.questions: list[Exists] = []
        self.asked: list[Asked] = []
        self.sought: list[str] = []  # references that lead to nothing that is at hand
        self.resource: dict[str, Any] = {}  # %resource: the one that is read now
        self.holder: dict[str, Any] = {}  # %rootResource: the one that `#id` speaks of
        self.base: Path = (None, "", None, 0)  # where %resource lies
        self.anchors: frozenset[str] = frozenset()  # ids of its contained resources
        self.bundle: Mapping[str, dict[str, Any]] = {}  # what references to the Bundle around it lead to
        self.conditional = False  # whether `Patient?identifier=…` may stand for a reference
        self.suggestions = MAX_SUGGESTIONS
        self.open: list[Any] = []  # what is tried against a profile
        self.conforming: dict[tuple[int, str], bool] = {}  # resources, by identity, and whether they follow a profile
        self.lookups = lookups or Lookups()
        self.today = today  # "2026-03-20"
        self.days: tuple[str, str] | None = None  # when what is read now was chosen; None: that is not known
        self.defaults: Defaults | None = None
        self.must_support = False  # whether missing elements that a profile marks so are told
        self.best_practice = best_practice  # whether good advice is given too
        self.near: Around | None = None  # the last one, which serves all rules of a value
        self.beyond = 0  # how often a check looked beyond the value that it was given
        self.dated = 0  # how often what a check found depended on `days` or `today`
        self.written: dict[int, bytes] = {}  # JSON of values by their identity, which they keep as long as the walk

    def around(self, value: Any) -> Around:
        """Return what an expression on `value` may ask for; until then nothing was unknown."""
        near = self.near
        if near is None or near.resource is not self.resource or near.root is not self.holder:
            near = self.near = Around(
                self.resource, self.holder, value, self.resolve, self.lookups.belongs, self.conforms, self.today
            )
        near.unknown = False
        near.context = value  # nobody else is asked meanwhile: what a rule tries within has one of its own (`passes`)
        return near

    def conforms(self, value: Any, profile: str) -> bool | None:
        """Return whether `value` conforms to `profile`; None when that is not known here."""
        return None if self.lookups.conforms is None else self.lookups.conforms(value, profile, self)

    def passes(self, check: Callable[[Any, Path, "Walk"], None], value: Any) -> bool:
        """Return whether `check` finds no error in `value`; what it finds is not reported."""
        issues, questions, asked = self.issues, self.questions, self.asked
        self.issues, self.questions, self.asked = [], [], []
        self.near = None  # what is unknown within is not unknown to the rule that asks
        self.open.append(value)
        try:
            check(value, root(""), self)
        except Enough:
            return False
        finally:
            self.open.pop()
            self.near = None
            found = self.issues
            self.issues, self.questions, self.asked = issues, questions, asked
        return all(issue.severity != "error" for issue in found)

    def visiting(self, value: Any) -> bool:
        """Return whether it is being asked already whether `value` conforms: profiles may refer to each other."""
        return value is self.resource or any(value is one for one in self.open)

    def holds(self, value: Any) -> bool:
        """Return whether `value` is one of the contained resources."""
        contained = self.holder.get("contained")
        return type(contained) is list and any(value is part for part in contained)

    def resolve(self, reference: str) -> dict[str, Any] | None:
        """Return the resource that `reference` leads to: a contained one, or one of the Bundle around it."""
        self.beyond += 1
        if not reference.startswith("#"):
            found = self.bundle.get(reference)
            if found is None:
                self.sought.append(reference)
            return found
        if reference == "#":
            return self.holder
        contained = self.holder.get("contained")
        for part in contained if type(contained) is list else ():
            if type(part) is dict and part.get("id") == reference[1:]:
                return part
        return None

    def add(
        self,
        severity: Severity,
        code: str,
        path: Path,
        rule: str,
        text: tuple[str, str],
        profile: str | None = None,
    ) -> None:
        """Note an issue with its text (en, vi); raise Enough after the last that is listed."""
        if len(self.issues) >= MAX_ISSUES:
            self.issues.append(
                Issue(
                    "error",
                    "too-costly",
                    f"There are more than {MAX_ISSUES} issues, and the rest was not read: correct these and send again",
                    f"Có hơn {MAX_ISSUES} lỗi, phần còn lại chưa được kiểm tra: hãy sửa các lỗi này rồi gửi lại",
                    render(path),
                    "issues:max",
                )
            )
            raise Enough
        self.issues.append(Issue(severity, code, text[0], text[1], render(path), rule, profile))

    def error(self, code: str, path: Path, rule: str, en: str, vi: str, profile: str | None = None) -> None:
        """Note an error."""
        self.add("error", code, path, rule, (en, vi), profile)

    def warn(self, code: str, path: Path, rule: str, en: str, vi: str, profile: str | None = None) -> None:
        """Note a warning."""
        self.add("warning", code, path, rule, (en, vi), profile)

    def report(self) -> Report:
        """Return what was found so far, once where R4 and a profile say the same of the same place."""
        found: dict[tuple[str, ...], Issue] = {}
        for issue in self.issues:
            found.setdefault((issue.severity, issue.expression or "", issue.rule or "", issue.en), issue)
        return Report(tuple(found.values()), (*self.questions, *self.asked))


def root(expression: str) -> Path:
    """Return the path that everything found lies under."""
    return (None, expression, None, 0)


def below(path: Path, step: str, index: int | None = None) -> Path:
    """Return the path of a child."""
    return (path, step, index, path[3] + 1)


def render(path: Path) -> str:
    """Write a path as FHIRPath: `Patient.identifier[0].value`."""
    parts = []
    here: Path | None = path
    while here is not None:
        parent, step, index, _ = here
        parts.append(step if index is None else f"{step}[{index}]")
        here = parent
    return ".".join(reversed(parts))


def shown(value: Any) -> str:
    """Return the beginning of `value` for a text, on one line."""
    text = value if isinstance(value, str) else str(value)
    line = "".join(character if character.isprintable() else "·" for character in text[: MAX_SHOWN + 1])
    return line if len(line) <= MAX_SHOWN else line[:MAX_SHOWN] + "…"
