"""Values seen before: what was found right once is not checked again, while it stands at the same place.

Codes, wards, facilities and extensions repeat from dose to dose: most of what a resource holds was in the one before
it. A value is remembered by its JSON, when nothing was wrong with it and nothing but itself decided that. What its
check asked of store and terminology is asked again each time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import orjson

from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Member
from fhir_server.validation import report
from fhir_server.validation.report import Exists, Path, Walk

Check = Callable[[Any, Path, Walk], None]
Steps = tuple[tuple[str, int | None], ...]  # from a value to what lies in it
Make = Callable[[Iterable[Any]], report.Asked]  # a question of its fields: those before `at`, that, and those after it
Day = tuple[tuple[str, str] | None, str | None]  # when what is read was chosen, and today

# Types whose values come again with other resources; names, numbers of persons and telephones do not.
REPEATED: Final = frozenset({"Address", "CodeableConcept", "Coding", "Extension", "Meta"})
MAX_VALUES: Final = 32768
MAX_LENGTH: Final = 2048  # bytes of JSON: longer values seldom come again
MAX_DEPTH: Final = 12  # elements: what lies deeper is not written again and again, level by level


def repeats(member: Member, definitions: Definitions) -> bool:
    """Return whether the values of an element come again with other resources, and hold none themselves."""
    if member.type in REPEATED:
        return True
    type, _, name = member.element.path.partition(".")
    if member.type != "BackboneElement" or type not in definitions.resource_types or "." in name:
        return False
    return all(inner.type != "Resource" for inner in definitions.members(member).values())


class Asked(NamedTuple):
    """What the check of a value asked, and where below the value."""

    exist: Sequence[tuple[tuple[str, str, str | None], Steps]] = ()
    others: Sequence[tuple[Make, tuple[Any, ...], tuple[Any, ...], Steps]] = ()


NOTHING: Final = Asked()


class _Place:
    """The values found right at one place: those of late, and those from before; of some, for certain days only."""

    __slots__ = ("late", "old")

    def __init__(self) -> None:
        self.late: dict[bytes, Asked | dict[Day, Asked]] = {}
        self.old: dict[bytes, Asked | dict[Day, Asked]] = {}


class Seen:
    """The values found right by the checks of one set of definitions: those that came again of late stay."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._late = 0  # how many are in all the `late`

    def once(self, checks: Sequence[Check]) -> Check:
        """Return `checks` as one; what was found right passes at once."""
        place = _Place()
        self._places.append(place)

        def checked(value: Any, path: Path, walk: Walk) -> None:
            text = walk.written.get(id(value))
            if text is None:
                fit = type(value) is dict and path[3] <= MAX_DEPTH
                try:  # what `wire.dumps` does, without a word for what cannot be written
                    text = orjson.dumps(value, default=wire.exact) if fit else b""
                except TypeError:
                    text = b""  # what is wrong with it is for the check to tell
                if len(text) > MAX_LENGTH:
                    text = b""
                walk.written[id(value)] = text
            if not text or walk.best_practice or walk.must_support:
                for check in checks:
                    check(value, path, walk)
                return
            asked = place.late.get(text) or self._from_before(place, text)
            if isinstance(asked, dict):
                walk.dated += 1
                asked = asked.get((walk.days, walk.today))
            if asked is None:
                self._learn(checks, place, text, value, path, walk)
            elif asked is not NOTHING:
                _ask(asked, path, walk)

        return checked

    def _from_before(self, place: _Place, text: bytes) -> Asked | dict[Day, Asked] | None:
        found = place.old.get(text)
        if type(found) is Asked:
            self._keep(place, text, found)
        return found

    def _learn(self, checks: Sequence[Check], place: _Place, text: bytes, value: Any, path: Path, walk: Walk) -> None:
        issues, exist, others = len(walk.issues), len(walk.questions), len(walk.asked)
        beyond, dated, days = walk.beyond, walk.dated, walk.days
        for check in checks:
            check(value, path, walk)
        if len(walk.issues) > issues or walk.beyond > beyond:
            return
        asked = NOTHING
        if len(walk.questions) > exist or len(walk.asked) > others:
            asked = Asked(
                [(question[:3], _steps(question.at, path)) for question in walk.questions[exist:]],
                [_parts(question, path) for question in walk.asked[others:]],
            )
        self._keep(place, text, asked, (days, walk.today) if walk.dated > dated else None)

    def _keep(self, place: _Place, text: bytes, asked: Asked, day: Day | None = None) -> None:
        if self._late >= MAX_VALUES // 2:
            self._late = 0
            for each in self._places:
                each.late, each.old = {}, each.late
        self._late += 1
        text = bytes(memoryview(text))  # what orjson wrote has room for 4 KiB behind it
        if day is None:
            place.late[text] = asked
            return
        by_day = place.late.get(text)
        if type(by_day) is dict:
            by_day[day] = asked
        else:
            place.late[text] = {day: asked}


def _ask(asked: Asked, path: Path, walk: Walk) -> None:
    for target, steps in asked.exist:
        # Exists(…) takes three times as long.
        walk.questions.append(tuple.__new__(Exists, (*target, _below(path, steps))))
    for make, before, after, steps in asked.others:
        walk.asked.append(make((*before, _below(path, steps), *after)))


def _parts(question: report.Asked, path: Path) -> tuple[Make, tuple[Any, ...], tuple[Any, ...], Steps]:
    place = question._fields.index("at")
    make: Make = type(question)._make
    return make, question[:place], question[place + 1 :], _steps(question.at, path)


def _steps(at: Path, path: Path) -> Steps:
    found = []
    while at is not path:
        parent, step, index, _ = at
        found.append((step, index))
        at = parent
    return tuple(reversed(found))


def _below(path: Path, steps: Steps) -> Path:
    depth = path[3]
    for step, index in steps:
        depth += 1
        path = (path, step, index, depth)
    return path
