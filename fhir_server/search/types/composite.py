"""Composite search: the parts of a value must be true of one and the same element.

https://hl7.org/fhir/R4/search.html#composite
"""

from collections.abc import Iterable, Sequence
from itertools import islice, product

from fhir_server.search.entries import Span, joined
from fhir_server.search.values import Invalid, split

FORMS = ("|", ":ucum|")  # the beginnings of the rests that are part of composites
COMBINATIONS = 10_001  # of the values of one element's parts: one more than a resource may have entries


def parse(text: str, parts: Sequence[str]) -> list[str]:
    """Return the texts of the components, escapes kept; raise Invalid when there are not as many as `parts`."""
    found = split(text, "$")
    if len(found) != len(parts) or not all(found):
        form = "$".join(parts)
        raise Invalid(
            f"'{text[:100]}' does not have {len(parts)} parts: write {form}",
            f"'{text[:100]}' không có đủ {len(parts)} phần: hãy viết {form}",
        )
    return found


def rests(parts: Sequence[Iterable[str]]) -> Iterable[str]:
    """Return what one element is indexed under: every combination of its parts' rests."""
    own = [[rest for rest in part if rest.startswith(FORMS)] for part in parts]
    return ["\n".join(combination) for combination in islice(product(*own), COMBINATIONS)]


def match(parts: Sequence[list[Span]]) -> list[Span]:
    """Return the spans of entries whose parts lie in the spans given for each."""
    return [joined(spans) for spans in product(*parts)]
