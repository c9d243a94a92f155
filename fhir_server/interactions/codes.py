"""Whether codes belong to value sets and code systems: one coding explained, or many asked at once.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html · codesystem-operation-validate-code.html
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from fhir_server.interactions import canonicals, systems
from fhir_server.interactions.systems import Listed, Source
from fhir_server.outcome import FhirError, Issue, Unprocessable
from fhir_server.server import Context
from terminology import valuesets
from terminology.concepts import Concept
from terminology.conditions import Active, Condition, Every, Some, predicate
from terminology.systems import display, is_name
from terminology.valuesets import Part, Plan, Versions, codes_of

Json = dict[str, Any]
Asked = tuple[str, str | None, str]  # value set (canonical URL, perhaps |version), system or None, code
Text = tuple[str, str]  # en, vi

IMPORTED: Final = 100  # value sets that one value set may be made of
PARTS: Final = 200  # code systems that one value set may take codes from
AS_SAID: Final = Versions()


class Coded(NamedTuple):
    """A code as somebody wrote it."""

    system: str | None
    code: str
    version: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """In what context a code is judged."""

    at: date
    language: str | None = None  # of displays
    abstract: bool | None = None  # False: codes that only group others are not good; None: they are, with a hint


class Verdict(NamedTuple):
    """Whether a code is good (None: nobody here can tell), why not, or what is to be said of it, and its name."""

    result: bool | None
    message: Text | None = None
    display: str | None = None


async def members(ctx: Context, asked: Sequence[Asked], at: date | None = None) -> list[bool | None]:
    """Return for each question whether the code is in the value set; None when nobody here can tell.

    `at` is the day the codes were chosen (none: today): concepts that hold for a time count only within it.
    """
    canonical = list(dict.fromkeys(value_set for value_set, _, _ in asked))
    plans = dict(zip(canonical, await asyncio.gather(*(_planned(ctx, each) for each in canonical)), strict=True))
    seen = Circumstances(at or today(ctx))
    return await asyncio.gather(*(_member(ctx, plans[url], Coded(system, code), seen) for url, system, code in asked))


async def _planned(ctx: Context, canonical: str) -> Plan | None:
    """Return the plan of a value set; None when it, or something it is made of, is not known."""
    found = await canonicals.find(ctx, "ValueSet", *canonicals.split(canonical))
    if found is None:
        return None
    try:
        return await planned(ctx, found.resource, found.key)
    except FhirError:
        return None


async def _member(ctx: Context, plan: Plan | None, coded: Coded, seen: Circumstances) -> bool | None:
    if plan is None:
        return None
    parts = [part for part in plan.parts if coded.system in (None, part.system)]
    found = await asyncio.gather(*(_in_part(ctx, part, coded, seen.at) for part in parts))
    return True if True in found else None if None in found else False


async def _in_part(ctx: Context, part: Part, coded: Coded, at: date) -> bool | None:
    try:
        source = await systems.source(ctx, part.system, part.version)
        concept = await _concept(source, part, coded.code)
        if concept is None:
            return False if (source is not None and source.head.complete) or _lists_others(part, coded.code) else None
        return concept.since <= at <= concept.until and await _tried(source, part.condition, concept)
    except FhirError:
        return None


async def planned(ctx: Context, value_set: Json, key: str | None = None, versions: Versions = AS_SAID) -> Plan:
    """Return the plan of a value set (`key` names its content); raise Unprocessable when there can be none."""
    imported = await canonicals.closure(ctx, value_set, valuesets.imports, IMPORTED)
    kept = ctx.server.vocabulary.kept
    content = None if key is None or versions != AS_SAID or imported else ("plan", key)
    plan: Plan | None = kept.get(content) if content else None
    if plan is None:
        try:
            plan = valuesets.plan(value_set, imported, versions)
        except valuesets.Missing as error:
            raise _unusable(value_set, str(error), "not-found") from None
        except valuesets.Unusable as error:
            raise _unusable(value_set, str(error), "processing") from None
        if len(plan.parts) > PARTS:
            raise _unusable(value_set, f"it is made of more than {PARTS} code systems", "too-costly")
        if content:
            kept.put(content, plan, 64 * (1 + sum(len(part.listed) for part in plan.parts)))
    return plan


def _unusable(value_set: Json, reason: str, code: str) -> Unprocessable:
    name = str(value_set.get("url", "sent along"))[:200]
    en = f"The value set {name} cannot be used: {reason[:400]}"
    return Unprocessable(en, issues=[Issue("error", code, en, f"Không dùng được tập giá trị {name}: {reason[:400]}")])


async def _concept(source: Source | None, part: Part, code: str) -> Concept | None:
    """Return a concept as its code system has it; where that is not known (in full), as the value set lists it."""
    whole = source if source is not None and source.head.complete else Listed(part.system, source, part.listed)
    return (await whole.find([code])).get(code)


async def _tried(source: Source | None, condition: Condition, concept: Concept) -> bool:
    return predicate(condition if source is None else await source.settled(condition))(concept)


async def in_value_set(ctx: Context, plan: Plan, coded: Coded, seen: Circumstances) -> Verdict:
    """Return whether a coding, which names its system, is in a value set."""
    parts = [part for part in plan.parts if part.system == coded.system]
    same = [part for part in parts if coded.version is None or part.version in (None, coded.version)]
    if not same:
        return await _of_no_part(ctx, coded, bool(parts))
    verdict = Verdict(False)
    for part in same:
        source = await systems.source(ctx, part.system, part.version or coded.version)
        verdict = await judged(source, part, coded, seen)
        if verdict.result:
            return verdict
    return verdict


async def _of_no_part(ctx: Context, coded: Coded, other_version: bool) -> Verdict:
    system = (coded.system or "")[:200]
    if other_version:
        return Verdict(
            False,
            (
                f"The value set takes another version of {system} than {coded.version}",
                f"Tập giá trị dùng phiên bản khác của {system}, không phải {coded.version}",
            ),
        )
    known = await canonicals.named(ctx, "CodeSystem", coded.system or "")
    unknown = ("", "") if known else (", and it is not known here", ", và hệ mã này chưa có ở đây")
    return Verdict(
        False,
        (
            f"The value set holds no codes of the code system {system}{unknown[0]}",
            f"Tập giá trị không có mã của hệ mã {system}{unknown[1]}",
        ),
    )


async def judged(source: Source | None, part: Part, coded: Coded, seen: Circumstances) -> Verdict:
    """Return whether a code of the system of `part` satisfies its condition, is in force, and has the display given."""
    concept = await _concept(source, part, coded.code)
    if concept is None:
        return _unknown(source, part, coded)
    language = source.head.language if source else None
    name = part.listed.get(coded.code, {}).get("display") if seen.language is None else None
    name = name or display(concept, seen.language, language)
    if not await _tried(source, part.condition, concept):
        return Verdict(False, _left_out(part, coded, concept), name)
    if not concept.since <= seen.at <= concept.until:
        return Verdict(False, _out_of_time(coded, concept, seen.at), name)
    if concept.abstract and seen.abstract is False:
        return Verdict(
            False,
            (
                f"The code '{coded.code}' only groups others: use one below it",
                f"Mã '{coded.code}' chỉ là mã nhóm: hãy dùng mã cụ thể bên dưới",
            ),
            name,
        )
    if coded.display is not None and not _called(coded.display, concept, part):
        return Verdict(False, _wrong_display(coded, name), name)
    return Verdict(True, _hint(coded, concept, seen), name)


def _called(text: str, concept: Concept, part: Part) -> bool:
    listed = part.listed.get(concept.code)
    return is_name(text, concept) or (listed is not None and is_name(text, Concept(listed, 0)))


def _lists_others(part: Part, code: str) -> bool:
    """Return whether the value set lists its codes and this is none of them, whatever the code system says."""
    listed = codes_of(part.condition)
    return listed is not None and code not in listed


def _unknown(source: Source | None, part: Part, coded: Coded) -> Verdict:
    code = coded.code[:80]
    if (source is None or not source.head.complete) and _lists_others(part, coded.code):
        return Verdict(False, _not_meant(part, coded))
    if source is None:
        system = "|".join(each[:200] for each in (part.system, part.version or coded.version) if each)
        return Verdict(
            None,
            (
                f"The code system {system} is not known here: whether it has '{code}' cannot be told",
                f"Hệ mã {system} chưa có ở đây: không thể biết có mã '{code}' hay không",
            ),
        )
    if not source.head.complete:
        return Verdict(
            None,
            (
                f"Unknown code '{code}': of the code system {source.head.shown} only a part is known here",
                f"Không có mã '{code}': ở đây chỉ có một phần của hệ mã {source.head.shown}",
            ),
        )
    return Verdict(
        False,
        (
            f"Unknown code '{code}' in the code system {source.head.shown}",
            f"Không có mã '{code}' trong hệ mã {source.head.shown}",
        ),
    )


def _left_out(part: Part, coded: Coded, concept: Concept) -> Text:
    """Return why a code that exists is not in the value set: it is inactive, or simply not meant."""
    if concept.inactive and _excludes_inactive(part.condition):
        return (
            f"The code '{coded.code}' is inactive, and the value set holds active codes only",
            f"Mã '{coded.code}' không còn hiệu lực, tập giá trị chỉ nhận mã còn hiệu lực",
        )
    return _not_meant(part, coded)


def _not_meant(part: Part, coded: Coded) -> Text:
    return (
        f"The code '{coded.code[:80]}' of {part.system} is not in the value set",
        f"Mã '{coded.code[:80]}' của {part.system} không thuộc tập giá trị",
    )


def _excludes_inactive(condition: Condition) -> bool:
    match condition:
        case Active():
            return True
        case Every(parts) | Some(parts):
            return any(map(_excludes_inactive, parts))
        case _:
            return False


def _out_of_time(coded: Coded, concept: Concept, at: date) -> Text:
    since = None if concept.since == date.min else concept.since.isoformat()
    until = None if concept.until == date.max else concept.until.isoformat()
    en = " ".join(([f"from {since}"] if since else []) + ([f"until {until}"] if until else []))
    vi = " ".join(([f"từ {since}"] if since else []) + ([f"đến hết {until}"] if until else []))
    return (
        f"The code '{coded.code}' was not in force on {at}: it holds {en}",
        f"Mã '{coded.code}' không có hiệu lực vào ngày {at}: chỉ dùng {vi}",
    )


def _wrong_display(coded: Coded, name: str | None) -> Text:
    given = (coded.display or "")[:200]
    return (
        f"The display \"{given}\" is incorrect for '{coded.code}'" + (f': it is "{name}"' if name else ""),
        f"Tên hiển thị \"{given}\" không đúng với mã '{coded.code}'" + (f': tên đúng là "{name}"' if name else ""),
    )


def _hint(coded: Coded, concept: Concept, seen: Circumstances) -> Text | None:
    if concept.inactive:
        return (
            f"The code '{coded.code}' is inactive: it should not be used for new records",
            f"Mã '{coded.code}' không còn hiệu lực: không nên dùng cho hồ sơ mới",
        )
    if concept.abstract and seen.abstract is None:
        return (
            f"The code '{coded.code}' only groups others: a more specific code is better",
            f"Mã '{coded.code}' chỉ là mã nhóm: nên dùng mã cụ thể hơn",
        )
    return None


def today(ctx: Context) -> date:
    """Return the day that it is where the server is."""
    return ctx.now.astimezone(ZoneInfo(ctx.server.settings.time_zone)).date()
