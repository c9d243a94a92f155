"""Values seen before: what was found right once is not checked again, while it stands at the same place.

Codes, wards, facilities and extensions repeat from dose to dose: most of what a resource holds was in the one before
it. A value is remembered by its JSON, when nothing was wrong with it and nothing but itself decided that. What its
check asked of store and terminology is asked again each time.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Member
from fhir_server.outcome import Malformed
from fhir_server.validation import report
from fhir_server.validation.report import Path, Walk

Check = Callable[[Any, Path, Walk], None]
Steps = tuple[tuple[str, int | None], ...]  # from a value to what lies in it

# Types whose values come again with other resources; names, numbers of persons and telephones do not.
REPEATED: Final = frozenset({"Address", "BackboneElement", "CodeableConcept", "Coding", "Extension", "Meta"})
MAX_VALUES: Final = 8192
MAX_LENGTH: Final = 2048  # bytes of JSON: longer values seldom come again


def repeats(member: Member, definitions: Definitions) -> bool:
    """Return whether an element lies right in a resource, is of a type whose values repeat, and holds no resource."""
    type, _, name = member.element.path.partition(".")
    if member.type not in REPEATED or type not in definitions.resource_types or "." in name:
        return False
    return all(inner.type != "Resource" for inner in definitions.members(member).values())


class Asked(NamedTuple):
    """What the check of a value asked, and where below the value."""

    exist: Sequence[tuple[tuple[str, str, str | None], Steps]] = ()
    others: Sequence[tuple[report.Asked, Steps]] = ()


NOTHING: Final = Asked()
BY_DAY: Final = Asked()  # the day counts too: look under it


class Seen:
    """The values found right by the checks of one set of definitions."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Asked] = {}
        self._places = count()

    def once(self, checks: Sequence[Check]) -> Check:
        """Return `checks` as one, for values that lie right in a resource; what was found right passes at once."""
        found, place = self._found, next(self._places)

        def checked(value: Any, path: Path, walk: Walk) -> None:
            text = walk.written.get(id(value))
            if text is None:
                text = _write(value, walk)
            if not text or walk.best_practice or walk.must_support:
                for check in checks:
                    check(value, path, walk)
                return
            asked = found.get((place, text))
            if asked is BY_DAY:
                asked = found.get((place, text, walk.days, walk.today))
            if asked is None:
                self._learn(checks, place, text, value, path, walk)
            elif asked is not NOTHING:
                _ask(asked, path, walk)

        return checked

    def _learn(self, checks: Sequence[Check], place: int, text: bytes, value: Any, path: Path, walk: Walk) -> None:
        issues, exist, others = len(walk.issues), len(walk.questions), len(walk.asked)
        beyond, dated, days = walk.beyond, walk.dated, walk.days
        for check in checks:
            check(value, path, walk)
        if len(walk.issues) > issues or walk.beyond > beyond:
            return
        if len(self._found) >= MAX_VALUES:
            self._found.clear()
        text = bytes(memoryview(text))  # what orjson wrote has room for 4 KiB behind it
        asked = NOTHING
        if len(walk.questions) > exist or len(walk.asked) > others:
            asked = Asked(
                [((kind, id, version), _steps(at, path)) for kind, id, version, at in walk.questions[exist:]],
                [(question, _steps(at, path)) for question, at in walk.asked[others:]],
            )
        if walk.dated > dated:
            self._found[place, text] = BY_DAY
            self._found[place, text, days, walk.today] = asked
        else:
            self._found[place, text] = asked


def _write(value: Any, walk: Walk) -> bytes:
    """Return the JSON of an object, empty when it is not worth remembering; kept while the walk lasts."""
    try:
        text = wire.dumps(value) if type(value) is dict else b""
    except (Malformed, TypeError):
        text = b""  # what is wrong with it is for the check to tell
    found = walk.written[id(value)] = text if len(text) <= MAX_LENGTH else b""
    return found


def _ask(asked: Asked, path: Path, walk: Walk) -> None:
    for (kind, id, version), steps in asked.exist:
        walk.questions.append((kind, id, version, _below(path, steps)))
    for question, steps in asked.others:
        walk.asked.append((question, _below(path, steps)))


def _steps(at: Path, path: Path) -> Steps:
    found = []
    while at is not path:
        parent, step, index, _ = at
        found.append((step, index))
        at = parent
    return tuple(reversed(found))


def _below(path: Path, steps: Steps) -> Path:
    for step, index in steps:
        path = (path, step, index, path[3] + 1)
    return path
