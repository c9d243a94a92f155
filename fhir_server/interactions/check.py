"""The check before a write: R4, declared profiles, the profiles of the settings; and the questions that remain.

https://hl7.org/fhir/R4/validation.html · https://hl7.org/fhir/R4/profiling.html#mixed

The validator is pure: what only the store or the terminology service can tell it asks, and all questions of a request
are answered here together.
"""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from typing import Any

import profiles
from fhir_server import wire
from fhir_server.interactions import codes
from fhir_server.outcome import BadRequest, Issue, Severity, Unprocessable
from fhir_server.server import Context
from fhir_server.settings import Apply, Check
from fhir_server.store import Stored
from fhir_server.validation import CodeIsIn, Defaults, Exists, KeepsRule, MatchesProfile, Question, Report
from fhir_server.validation.bindings import not_in
from fhir_server.validation.references import not_following
from fhir_server.validation.report import shown

Json = dict[str, Any]
Key = tuple[str, str]
NOTHING: Mapping[Key, Any] = {}
STRICTNESS = tuple(Apply)


@dataclass(frozen=True, slots=True)
class Checked:
    """A resource that broke no rule; what remains to be asked of it, and what was found that refuses nothing."""

    resource: Json
    questions: tuple[Question, ...]
    issues: tuple[Issue, ...] = ()


def check(ctx: Context, type: str, resource: Any) -> Checked:
    """Return `resource` when it is a valid `type`; raise BadRequest or Unprocessable with every issue at once."""
    if not isinstance(resource, dict) or "resourceType" not in resource:
        raise BadRequest(
            f"The body is not a FHIR resource: send a JSON object with resourceType {type}",
            f"Nội dung không phải tài nguyên FHIR: hãy gửi đối tượng JSON có resourceType {type}",
        )
    if resource["resourceType"] != type:
        raise BadRequest(
            f"The body is a {str(resource['resourceType'])[:64]}, the address says {type}: send a {type} here",
            f"Nội dung là {str(resource['resourceType'])[:64]} nhưng địa chỉ là {type}: hãy gửi {type} tới đây",
            expression="resourceType",
        )
    report = validated(ctx, resource)
    if any(issue.severity in {"error", "fatal"} for issue in report.issues):
        raise Unprocessable(f"The {type} is not valid", issues=report.issues)
    return Checked(resource, report.questions, report.issues)


def validated(
    ctx: Context,
    resource: Any,
    extra: Sequence[str] = (),
    *,
    best_practice: bool = False,
    must_support: bool = False,
) -> Report:
    """Return what the validator says of `resource` today, with the profiles that the settings add and `extra`."""
    report = ctx.server.validator.validate(
        resource,
        extra,
        today=codes.today(ctx).isoformat(),
        defaults=defaults(ctx),
        best_practice=best_practice,
        must_support=must_support,
    )
    if any(issue.severity in {"error", "fatal"} for issue in report.issues):
        return report
    return report._replace(issues=(*report.issues, *ctx.server.knowledge.problems(resource)))


def defaults(ctx: Context) -> Defaults | None:
    """Return the profiles that every resource of a type has to follow, and how strictly; None: what it declares."""
    settings, apply = ctx.server.settings, applied(ctx)
    # Without the operator's word a request cannot have what it declares let pass.
    lowered = ctx.profiles in (Apply.OFF, Apply.WARN) and settings.profiles_at_least in (Apply.OFF, Apply.WARN)
    if apply is Apply.OFF:
        return Defaults({}, enforced=False, declared=False) if lowered else None
    validator = ctx.server.validator
    own = settings.type_profiles or validator.profiles_below(profiles.CANONICAL)
    return Defaults(validator.by_type(own), apply is Apply.ENFORCE, not lowered)


def applied(ctx: Context) -> Apply:
    """Return how strictly this request is held to the profiles of the settings: as it asks, but no less than it may."""
    settings = ctx.server.settings
    if ctx.profiles is None:
        return settings.profiles
    least = min(settings.profiles_at_least or settings.profiles, settings.profiles, key=STRICTNESS.index)
    return max(ctx.profiles, least, key=STRICTNESS.index)


async def missing(ctx: Context, questions: Sequence[Question], known: Mapping[Key, Any] = NOTHING) -> list[Issue]:
    """Return an issue for each question whose answer is no.

    These are references to a resource that is neither stored nor among `known` (when the settings enforce references),
    or that does not follow the profile which it should, rules that what they lead to breaks, and codes that are not in
    the value set. `known` is what is written in the same moment.
    """
    coded = [question for question in questions if isinstance(question, CodeIsIn)]
    if not coded:
        return await _references(ctx, questions, known)
    found = await asyncio.gather(_references(ctx, questions, known), _codes(ctx, coded))
    return [issue for issues in found for issue in issues]


async def _references(ctx: Context, questions: Sequence[Question], known: Mapping[Key, Any]) -> list[Issue]:
    exist = [question for question in questions if isinstance(question, Exists)]
    follow = [question for question in questions if isinstance(question, MatchesProfile)]
    rules = [question for question in questions if isinstance(question, KeepsRule)]
    if ctx.server.settings.references is Check.OFF:
        exist = []
    nowhere = [one for one in exist if not one.type]
    exist = [one for one in exist if one.type]
    asked = {(one.type, one.id) for one in exist} | {(one.type, one.id) for one in follow}
    asked.update(key for one in rules for key in one.targets)
    asked -= known.keys()
    if not asked and not rules:
        return list(map(_leading_nowhere, nowhere))
    stored = await ctx.server.store.read_many(asked) if asked else {}
    absent = {key for key in asked if key not in stored or stored[key].raw is None}
    return [
        *map(_leading_nowhere, nowhere),
        *_absent(exist, absent),
        *_not_following(ctx, follow, {key: stored[key] for key in asked - absent}),
        *_breaking(rules, known, stored),
    ]


def _absent(questions: Sequence[Exists], absent: AbstractSet[Key]) -> list[Issue]:
    """Return an issue for each reference to what is absent."""
    return [
        Issue(
            "error",
            "not-found",
            f"{question.type}/{question.id} is not stored here: send it first, or in the same transaction",
            f"{question.type}/{question.id} chưa có trong hệ thống: hãy gửi trước, hoặc trong cùng giao dịch",
            question.expression,
            "reference-exists",
        )
        for question in questions
        if (question.type, question.id) in absent
    ]


def _leading_nowhere(question: Exists) -> Issue:
    """Return the issue for a URN, which only within its Bundle leads to something."""
    return Issue(
        "error",
        "not-found",
        f"{shown(question.id)} leads to nothing that is stored: send the resource with this fullUrl in the same "
        "transaction, or refer to it as Type/id",
        f"{shown(question.id)} không trỏ đến tài nguyên nào đã lưu: hãy gửi tài nguyên có fullUrl này trong cùng giao "
        "dịch, hoặc tham chiếu dạng Loại/id",
        question.expression,
        "reference-exists",
    )


def _breaking(rules: Sequence[KeepsRule], known: Mapping[Key, Any], stored: Mapping[Key, Stored]) -> list[Issue]:
    """Return an issue for each rule that is broken, now that what it looks at is at hand."""
    read: dict[Key, Json] = {}
    for key in (key for one in rules for key in one.targets):
        raw = stored[key].raw if key in stored else None
        if isinstance(known.get(key), dict):
            read[key] = known[key]
        elif raw is not None and key not in read:
            read[key] = wire.loads(raw)
    broken = (one for one in rules if not one.kept(read))
    return [Issue(one.severity, "invariant", *one.text, one.expression, one.rule, one.profile) for one in broken]


def _not_following(ctx: Context, questions: Sequence[MatchesProfile], stored: dict[Key, Stored]) -> list[Issue]:
    """Return an issue for each referenced resource that does not follow its profile: an error where that is enforced.

    Who refers to a resource is often not who can correct it, therefore it is a warning elsewhere.
    """
    severity: Severity = "error" if ctx.server.settings.references is Check.ENFORCE else "warning"
    found: dict[tuple[Key, tuple[str, ...]], bool] = {}
    issues = []
    for question in questions:
        target = stored.get((question.type, question.id))
        if target is None or target.raw is None:
            continue
        key = ((question.type, question.id), question.profiles)
        if key not in found:
            # As a rule it declares the profile: then the rest of it need not be read exactly.
            found[key] = ctx.server.validator.declares(wire.glance(target.raw), question.profiles) or (
                ctx.server.validator.follows(wire.loads(target.raw), question.profiles)
            )
        if not found[key]:
            texts = not_following(f"{question.type}/{question.id}", question.profiles)
            where = question.expression, question.rule, question.profile
            issues.append(Issue(severity, "value", *texts, *where))
    return issues


async def _codes(ctx: Context, questions: Sequence[CodeIsIn]) -> list[Issue]:
    """Ask the terminology service, once for each day on which codes were chosen."""
    days: dict[date | None, list[CodeIsIn]] = {}
    for question in questions:
        days.setdefault(_day(question), []).append(question)
    issues = []
    for day, several in days.items():
        asked = [(each.value_set, *coding) for each in several for coding in each.codings]
        answers = iter(await codes.members(ctx, asked, day))
        for question in several:
            own = [next(answers) for _ in question.codings]
            if True not in own:
                issues.append(_not_in(question, known=None not in own))
    return issues


def _day(question: CodeIsIn) -> date | None:
    if question.days is None:
        return None
    try:
        return date.fromisoformat(question.days[1])
    except ValueError:  # the last of February, for a month that is given alone
        return date.fromisoformat(question.days[0])


def _not_in(question: CodeIsIn, *, known: bool) -> Issue:
    where = question.expression, question.rule, question.profile
    written = [shown(f"{system or ''}#{code}") for system, code in question.codings[:3]]
    if known:
        texts = not_in(written, question.value_set, question.severity)
        return Issue(question.severity, "code-invalid", *texts, *where)
    return Issue(
        "warning" if question.severity == "error" else "information",
        "not-found",
        f"{', '.join(written)} was not checked: the codes of {question.value_set} are not known here",
        f"{', '.join(written)} chưa được kiểm tra: không có danh mục {question.value_set} ở đây",
        *where,
    )


async def require_references(ctx: Context, checked: Checked, own: Key | None = None) -> tuple[Issue, ...]:
    """Return everything that was found and refuses nothing; raise Unprocessable when an answer is no, and an error."""
    issues = await missing(ctx, checked.questions, {own: checked.resource} if own else NOTHING)
    if any(issue.severity == "error" for issue in issues):
        raise Unprocessable("A reference or a code leads to nothing", issues=issues)
    return (*checked.issues, *issues)
