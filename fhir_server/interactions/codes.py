"""Whether codes belong to value sets: the questions that a validator cannot answer alone, many at once.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from collections.abc import Sequence
from datetime import date

from fhir_server.server import Context

Asked = tuple[str, str | None, str]  # value set (canonical URL, perhaps |version), system or None, code


async def members(ctx: Context, asked: Sequence[Asked], at: date | None = None) -> list[bool | None]:
    """Return for each question whether the code is in the value set; None when nobody here can tell.

    `at` is the day the codes were chosen (none: today): concepts that hold for a time count only within it.
    """
    return [_member(ctx, *each) for each in asked]


def _member(ctx: Context, value_set: str, system: str | None, code: str) -> bool | None:
    codes = ctx.server.definitions.codes(value_set)
    if codes is None:
        return None
    return any(code in members for own, members in codes.items() if system in (None, own))
