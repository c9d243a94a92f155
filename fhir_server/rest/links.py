"""Links between the entries of a transaction, and references that are searches: found and replaced. Pure.

https://hl7.org/fhir/R4/http.html#trules · https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Names = Mapping[str, str]  # what a link says → Type/id

_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(\S+)")
_RESTFUL = re.compile(r"(https?://\S+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
# Elements whose text may look like a link and is none.
_OTHER = frozenset({"value", "system", "fullUrl"})


def conditional(value: Any, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the conditional references within `value`, the value of property `key`: text, type, query."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from conditional(member, name)
    elif isinstance(value, list):
        for item in value:
            yield from conditional(item, key)
    elif key == "reference" and isinstance(value, str) and (found := _CONDITIONAL.fullmatch(value)):
        yield value, found[1], found[2]


def root(full_url: str | None) -> str:
    """Return what relative references of an entry with this fullUrl begin with; "" when it is no RESTful URL."""
    found = _RESTFUL.fullmatch(full_url or "")
    return found[1] if found else ""


def rewritten(value: Any, names: Names, root: str = "", key: str = "") -> Any:
    """Return `value`, the value of property `key`, with every link to a name in `names` replaced.

    A link is a Reference.reference (relative ones begin at `root`), or an element of a URI type that holds a urn:. A
    fragment stays. Identifier.value is a string that may look the same and is left alone, and so is every `system`.
    """
    if isinstance(value, dict):
        return {name: rewritten(member, names, root, name) for name, member in value.items()}
    if isinstance(value, list):
        return [rewritten(item, names, root, key) for item in value]
    if not isinstance(value, str):
        return value
    if key == "reference" or (value.startswith("urn:") and key not in _OTHER):
        return _target(value, names, root)
    if key == "div":
        for name, target in names.items():
            value = value.replace(f'"{name}"', f'"{target}"').replace(f'"{name}#', f'"{target}#')
    return value


def _target(link: str, names: Names, root: str) -> str:
    if link in names:
        return names[link]
    base, mark, fragment = link.partition("#")
    if root and _RELATIVE.fullmatch(base):
        base = root + base
    return names[base] + mark + fragment if base in names else link
