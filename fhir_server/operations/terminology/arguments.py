"""What terminology operations are asked with: codes, days, versions, resources sent along.

https://hl7.org/fhir/R4/terminology-service.html
"""

from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhir_server.interactions import canonicals, read
from fhir_server.interactions.canonicals import Candidate
from fhir_server.interactions.codes import Coded, Text, today
from fhir_server.operations.call import Call
from fhir_server.outcome import BadRequest, NotFound, NotSupported, Unprocessable
from fhir_server.server import Context
from terminology import concepts

CODINGS: Final = 50  # of one CodeableConcept

Json = dict[str, Any]
Values = dict[str, Any]


def string(values: Values, name: str) -> str | None:
    """Return the text given as `name`; raise BadRequest when it is something else or empty."""
    value = values.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise BadRequest(f"Parameter '{name}' is a text", f"Tham số '{name}' là văn bản")


def required(values: Values, name: str) -> str:
    """Return the text given as `name`; raise BadRequest when there is none."""
    value = string(values, name)
    if value is None:
        raise BadRequest(f"Parameter '{name}' is missing", f"Thiếu tham số '{name}'")
    return value


def flag(values: Values, name: str) -> bool | None:
    """Return the Boolean given as `name`, None when there is none; raise BadRequest when it is something else."""
    value = values.get(name)
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise BadRequest(f"Parameter '{name}' is true or false", f"Tham số '{name}' là true hoặc false")


def number(values: Values, name: str) -> int | None:
    """Return the integer (0 or more) given as `name`; raise BadRequest when it is something else."""
    value = values.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if value is None or (type(value) is int and 0 <= value < 10**9):
        return value
    raise BadRequest(f"Parameter '{name}' is an integer of 0 or more", f"Tham số '{name}' là số nguyên không âm")


def several(values: Values, name: str) -> list[str]:
    """Return the texts given as `name`; raise BadRequest when they are something else."""
    value = values.get(name, "")
    if not isinstance(value, str):
        raise BadRequest(f"Parameter '{name}' is a text", f"Tham số '{name}' là văn bản")
    return [part for part in value.split(",") if part]


def day(ctx: Context, values: Values) -> date:
    """Return the day that `date` means, today when there is none; raise BadRequest when it is no date."""
    text = string(values, "date")
    if text is None:
        return today(ctx)
    try:
        if "T" in text:
            zone = ZoneInfo(ctx.server.settings.time_zone)
            moment = datetime.fromisoformat(text)
            return moment.astimezone(zone).date() if moment.tzinfo else moment.date()
        found = concepts.day(text)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise BadRequest("Parameter 'date' is a date: 2019-05-31", "Tham số 'date' là ngày: 2019-05-31")
    return found


def form(values: Values) -> str:
    """Return which of `code`, `coding` and `codeableConcept` is given; raise BadRequest unless it is one of them."""
    given = [name for name in ("code", "coding", "codeableConcept") if name in values]
    if len(given) != 1:
        raise BadRequest(
            "Give one of 'code', 'coding' and 'codeableConcept'",
            "Hãy gửi đúng một trong 'code', 'coding', 'codeableConcept'",
        )
    return given[0]


def coded(values: Values, code: str, coding: str, system: str | None, version: str | None) -> Coded | None:
    """Return the code given as `code` (of `system`) or as `coding`; None when neither is; raise BadRequest."""
    text, whole = string(values, code), values.get(coding)
    if text is not None and whole is not None:
        raise BadRequest(
            f"Give either '{code}' or '{coding}', not both", f"Chỉ gửi '{code}' hoặc '{coding}', không gửi cả hai"
        )
    if text is not None:
        return Coded(system, text, version, string(values, "display"))
    return None if whole is None else of_coding(whole)


def beside(values: Values, coded: Coded, **names: str) -> Coded:
    """Return a code with what stands beside it (`version` as the parameter of that name); raise BadRequest.

    What a Coding says itself must not be said otherwise beside it.
    """
    for part, name in names.items():
        said, own = string(values, name), getattr(coded, part)
        if said is not None and own not in (None, said):
            raise BadRequest(
                f"Parameter '{name}' says otherwise than the coding: leave one of them out",
                f"Tham số '{name}' khác với coding: hãy bỏ một trong hai",
            )
        coded = coded._replace(**{part: said or own})
    return coded


def of_coding(coding: Any) -> Coded:
    """Return what a Coding says; raise BadRequest when it is none."""
    parts = [coding.get(name) for name in Coded._fields] if isinstance(coding, dict) else [None]
    if any(not isinstance(part, str | None) for part in parts) or not all(parts[1:2] or [None]):
        raise BadRequest(
            "A Coding is sent in a Parameters resource (POST) and has a code and a system",
            "Coding được gửi trong tài nguyên Parameters (POST), gồm code và system",
        )
    return Coded(*parts)


def codings(values: Values, name: str) -> list[Coded]:
    """Return those codings of the CodeableConcept given as `name` that name a code of a system; raise BadRequest."""
    value = values.get(name)
    rows = value.get("coding") if isinstance(value, dict) else None
    whole = (
        [row for row in rows if not isinstance(row, dict) or (row.get("system") and row.get("code"))] if rows else []
    )
    if not isinstance(rows, list) or not whole or len(rows) > CODINGS:
        raise BadRequest(
            f"'{name}' is a CodeableConcept with up to {CODINGS} codings, one at least with a system and a code",
            f"'{name}' là CodeableConcept có tối đa {CODINGS} coding, ít nhất một coding có system và code",
        )
    return [of_coding(row) for row in whole]


def resource(ctx: Context, values: Values, name: str, type: str) -> Json | None:
    """Return the resource of `type` sent along as `name`; raise BadRequest or Unprocessable when it is none."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, dict) and value.get("resourceType") == type:
        report = ctx.server.validator.validate(value)
        if any(issue.severity in {"error", "fatal"} for issue in report.issues):
            raise Unprocessable(f"The {type} sent along is not valid", issues=report.issues)
        return value
    raise BadRequest(f"'{name}' is a {type} sent in Parameters", f"'{name}' là tài nguyên {type} gửi trong Parameters")


async def instance(ctx: Context, call: Call) -> Candidate | None:
    """Return the resource that the address names; None when it names only a type; raise NotFound or Gone."""
    if call.id is None:
        return None
    stored = await read.current(ctx, call.type or "", call.id)
    return await canonicals.of_stored(ctx, stored)


async def named(ctx: Context, type: str, url: str, version: str | None) -> Candidate:
    """Return the resource of `type` with that canonical URL; raise NotFound."""
    plain, own = canonicals.split(url)
    wanted = version or own
    found = await canonicals.find(ctx, type, plain, wanted)
    if found is None:
        shown = f"{plain[:200]}|{wanted[:64]}" if wanted else plain[:200]
        raise NotFound(
            f"The {type} {shown} is not known here: store it, or load its package",
            f"{type} {shown} chưa có ở đây: hãy lưu tài nguyên hoặc nạp gói chứa nó",
        )
    return found


def refuse(values: Values, name: str, en: str, vi: str) -> None:
    """Raise NotSupported when the parameter `name` is given."""
    if name in values:
        raise NotSupported(f"Parameter '{name}' is not supported: {en}", f"Không hỗ trợ tham số '{name}': {vi}")


def said(ctx: Context, text: Text) -> str:
    """Return a text in the language of the request."""
    return text[1] if ctx.language == "vi" else text[0]


def pinned(values: Values, name: str) -> dict[str, str]:
    """Return the versions by system that `system|version` texts name; raise BadRequest when one names none."""
    found = {}
    for text in several(values, name):
        system, version = canonicals.split(text)
        if version is None:
            raise BadRequest(f"'{name}' is system|version", f"'{name}' có dạng hệ thống|phiên bản")
        found[system] = version
    return found
