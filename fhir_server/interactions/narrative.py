"""What becomes of a narrative when a patch changes the data that it tells of. Pure.

https://hl7.org/fhir/R4/http.html#patch · https://hl7.org/fhir/R4/narrative.html — docs/decisions/0022-patch.md
"""

from typing import Any

from fhir_server.outcome import Unprocessable

Json = dict[str, Any]

# What a narrative does not tell.
_UNTOLD = frozenset({"resourceType", "id", "meta", "implicitRules", "language", "text"})
_MADE_FROM_DATA = frozenset({"generated", "extensions"})


def safe(before: Json, after: Json) -> Json:
    """Return `after` without a narrative that tells of `before`.

    A narrative that was made from the data goes, and can be made again. Raise Unprocessable when it may say more than
    the data: only a person can tell whether that is still true. What the patch itself says of it stands.
    """
    text = after.get("text")
    if not isinstance(text, dict) or text != before.get("text") or not _differ(before, after):
        return after
    if text.get("status") in _MADE_FROM_DATA:
        return {name: value for name, value in after.items() if name != "text"}
    if text.get("status") != "additional":
        return after
    raise Unprocessable(
        "The narrative may say more than the data (status additional): change text in the same patch, or use PUT",
        "Phần diễn giải có thể chứa thông tin ngoài dữ liệu (status additional): hãy sửa text trong cùng bản vá, "
        "hoặc dùng PUT",
        expression=f"{after.get('resourceType')}.text",
    )


def _differ(before: Json, after: Json) -> bool:
    names = (before.keys() | after.keys()) - _UNTOLD
    return any(before.get(name) != after.get(name) for name in names)
