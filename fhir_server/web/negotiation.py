"""Which form and which language: Accept, Content-Type, Prefer, Accept-Language.

https://hl7.org/fhir/R4/http.html#mime-type
"""

import re
from typing import Literal

from fhir_server.outcome import NotAcceptable, UnsupportedMediaType

JSON_TYPES = {"application/fhir+json", "application/json", "text/json", "application/json+fhir"}
FORM = "application/x-www-form-urlencoded"
JSON_PATCH = "application/json-patch+json"
ANY = {"*/*", "application/*", "text/*"}
FORMATS = JSON_TYPES | {"json"}


def require_json(accept: str, format: str) -> None:
    """Raise NotAcceptable when the client cannot read JSON of FHIR R4; `_format` goes before Accept."""
    # "+" of a media type arrives as a space when a client did not encode it.
    wanted = format.strip().replace(" ", "+")
    offers = [wanted] if wanted else [offer.strip() for offer in accept.split(",") if offer.strip()]
    if offers and not any(_readable(offer, FORMATS | ANY) for offer in offers):
        raise NotAcceptable(
            "This server writes application/fhir+json of FHIR 4.0 only: ask for that, or for nothing in particular",
            "Máy chủ chỉ trả về application/fhir+json của FHIR 4.0: hãy yêu cầu định dạng đó hoặc không nêu định dạng",
        )


def _readable(offer: str, types: set[str]) -> bool:
    kind, *parameters = (part.strip().lower() for part in offer.split(";"))
    versions = [value for name, _, value in (part.partition("=") for part in parameters) if name == "fhirversion"]
    refused = any(re.fullmatch(r"q=0(\.0*)?", part) for part in parameters)
    return kind in types and not refused and all(version.strip('"') in {"4.0", "4.0.1"} for version in versions)


def require_content(content_type: str, *, form: bool = False, patch: bool = False) -> None:
    """Raise UnsupportedMediaType unless the body is JSON of FHIR R4 in UTF-8.

    With `form`: unless it has the fields of a form; with `patch`: it may also be a JSON Patch.
    """
    charset = re.search(r'charset="?([^";\s]+)', content_type.lower())
    if charset and charset[1] not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaType(
            f"The charset {charset[1][:32]} is not supported: FHIR is written in UTF-8",
            f"Không hỗ trợ bảng mã {charset[1][:32]}: FHIR được viết bằng UTF-8",
        )
    if not _readable(content_type, {FORM} if form else JSON_TYPES | ({JSON_PATCH} if patch else set())):
        wanted = FORM if form else f"{JSON_PATCH} or application/fhir+json" if patch else "application/fhir+json"
        raise UnsupportedMediaType(
            f"Content-Type '{content_type[:64]}' is not supported here: send {wanted}",
            f"Không hỗ trợ Content-Type '{content_type[:64]}' tại đây: hãy gửi {wanted}",
        )


def preferences(prefer: str) -> dict[str, str]:
    """Read the Prefer header: `return=minimal, handling=lenient`; what is not known is no preference (RFC 7240)."""
    known = {"return": {"minimal", "representation", "OperationOutcome"}, "handling": {"strict", "lenient"}}
    found: dict[str, str] = {}
    for part in re.split(r"[,;]", prefer):
        name, _, value = part.strip().partition("=")
        if value.strip('"') in known.get(name, ()):
            found[name] = value.strip('"')
    return found


def unchanged(if_none_match: str, tag: str | None) -> bool:
    """Return whether the client has what `tag` names already (RFC 9110, 13.1.2: weak comparison)."""
    return tag is not None and tag in [each.strip().removeprefix("W/").strip('"') for each in if_none_match.split(",")]


def language(accept_language: str, otherwise: Literal["vi", "en"]) -> Literal["vi", "en"]:
    """Return the language of messages that the caller likes best, of the two there are."""
    ranked: list[tuple[float, int, Literal["vi", "en"]]] = []
    for position, part in enumerate(accept_language.split(",")[:20]):
        tag, _, quality = part.strip().lower().partition(";q=")
        primary = tag.partition("-")[0]
        if primary in {"vi", "en"}:
            weight = float(quality) if re.fullmatch(r"[01](\.\d{1,3})?", quality) else 1.0
            ranked.append((-weight, position, "vi" if primary == "vi" else "en"))
    return min(ranked)[2] if ranked else otherwise
