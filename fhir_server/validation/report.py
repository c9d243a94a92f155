"""What a validation finds: issues, the questions that only I/O can answer, and the walk that collects both.

https://hl7.org/fhir/R4/validation.html · https://hl7.org/fhir/R4/operationoutcome.html
"""

from typing import Any, Final, NamedTuple

from fhir_server.outcome import Issue, Severity

MAX_ISSUES: Final = 200
MAX_DEPTH: Final = 100  # elements within elements
MAX_SUGGESTIONS: Final = 10  # comparing spellings is the dearest thing a hostile body could ask for
MAX_SHOWN: Final = 48  # characters of a value quoted in a text

# Where the walk is: parent, step, index in an array, depth. Linked, because most paths are never written out.
Path = tuple[Any, str, int | None, int]


class Exists(NamedTuple):
    """Does the referenced resource exist? Asked of the store for each literal relative reference."""

    type: str
    id: str
    expression: str  # FHIRPath of the Reference element
    version: str | None = None


Question = Exists


class Report(NamedTuple):
    """Issues found without I/O, and the questions only I/O can answer."""

    issues: tuple[Issue, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def valid(self) -> bool:
        """True when no issue is an error."""
        return all(issue.severity in ("warning", "information") for issue in self.issues)


class Enough(Exception):
    """So many issues were found that the rest of the resource is not read."""


class Walk:
    """One validation on its way through a resource."""

    __slots__ = ("anchors", "conditional", "issues", "questions", "resource", "suggestions")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.questions: list[tuple[str, str, str | None, Path]] = []
        self.resource: dict[str, Any] = {}  # the one that `#id` and %resource speak of
        self.anchors: frozenset[str] = frozenset()  # ids of its contained resources
        self.conditional = False  # whether `Patient?identifier=…` may stand for a reference
        self.suggestions = MAX_SUGGESTIONS

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
        """Return what was found so far."""
        questions = tuple(Exists(kind, id, render(path), version) for kind, id, version, path in self.questions)
        return Report(tuple(self.issues), questions)


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
