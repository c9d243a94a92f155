"""Which form and which language: Accept, Content-Type, Prefer, Accept-Language.

https://hl7.org/fhir/R4/http.html#mime-type
"""

import re
from typing import Literal, NamedTuple

from fhir_server.outcome import BadRequest, NotAcceptable, UnsupportedMediaType
from fhir_server.settings import Apply

FHIR_JSON = "application/fhir+json"
# What bodies may come as, and what answers go out as to those who ask for it by that name; of equals the first.
JSON_TYPES = (FHIR_JSON, "application/json", "text/json", "application/json+fhir")
FORM = "application/x-www-form-urlencoded"
PATCHES = ("application/json-patch+json", "application/merge-patch+json")
VERSIONS = {"4.0", "4.0.1"}
PREFERENCES = {
    "return": frozenset({"minimal", "representation", "OperationOutcome"}),
    "handling": frozenset({"strict", "lenient"}),
    "profiles": frozenset(Apply),
}
MOST = 50  # ranges of one Accept header that are looked at


class Offer(NamedTuple):
    """One media range of an Accept header: what it names, and how much it is liked."""

    kind: str
    quality: float
    readable: bool  # it asks for FHIR R4


def answered_with(accept: str, format: str) -> str:
    """Return the media type to answer with; raise NotAcceptable when the client reads none that there is.

    `_format` goes before Accept, and always means FHIR's own media type.
    """
    # "+" of a media type arrives as a space when a client did not encode it.
    if wanted := format.strip().replace(" ", "+"):
        offer = _offer(wanted)
        if offer.readable and offer.kind in {"json", *JSON_TYPES}:
            return FHIR_JSON
        raise _not_acceptable()
    offers = [_offer(each) for each in accept.split(",")[:MOST] if each.strip()]
    liking = {kind: _liking(kind, offers) for kind in JSON_TYPES} if offers else {FHIR_JSON: 1.0}
    liked = max(liking, key=liking.__getitem__)
    if not liking[liked]:
        raise _not_acceptable()
    return liked


def _liking(kind: str, offers: list[Offer]) -> float:
    """Return the quality that the most specific range for `kind` gives it, 0 when there is none (RFC 9110, 12.5.1)."""
    for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
        if found := [offer.quality for offer in offers if offer.kind == name and offer.readable]:
            return max(found)
    return 0.0


def _offer(text: str) -> Offer:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    given = dict(part.partition("=")[::2] for part in parameters)
    quality = given.get("q", "1").strip()
    weight = float(quality) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", quality) else 1.0
    version = given.get("fhirversion")
    return Offer(kind, weight, version is None or version.strip('"') in VERSIONS)


def _not_acceptable() -> NotAcceptable:
    return NotAcceptable(
        "This server writes application/fhir+json of FHIR 4.0 only: ask for that, or for nothing in particular",
        "Máy chủ chỉ trả về application/fhir+json của FHIR 4.0: hãy yêu cầu định dạng đó hoặc không nêu định dạng",
    )


def pretty(text: str) -> bool:
    """Return whether the answer is to be written for people to read; raise BadRequest when `_pretty` is no boolean."""
    if text not in {"", "true", "false"}:
        raise BadRequest(
            f"_pretty is true or false, not '{text[:64]}'", f"_pretty là true hoặc false, không phải '{text[:64]}'"
        )
    return text == "true"


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
    sent = _offer(content_type)
    if not sent.readable or sent.kind not in ([FORM] if form else [*JSON_TYPES, *(PATCHES if patch else ())]):
        wanted = FORM if form else f"{PATCHES[0]} or application/fhir+json" if patch else "application/fhir+json"
        raise UnsupportedMediaType(
            f"Content-Type '{content_type[:64]}' is not supported here: send {wanted}",
            f"Không hỗ trợ Content-Type '{content_type[:64]}' tại đây: hãy gửi {wanted}",
        )


def preferences(prefer: str) -> dict[str, str]:
    """Read the Prefer header: `return=minimal, handling=lenient`; what is not known is no preference (RFC 7240).

    Of one that is given twice the first counts; case does not matter in its name.
    """
    found: dict[str, str] = {}
    for part in re.split(r"[,;]", prefer):
        name, _, value = part.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if value in PREFERENCES.get(name, ()):
            found.setdefault(name, value)
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
