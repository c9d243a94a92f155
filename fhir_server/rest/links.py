"""Links between the entries of a transaction, and references that are searches: found and replaced. Pure.

https://hl7.org/fhir/R4/http.html#trules · https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Member

Names = Mapping[str, str]  # what a link says → Type/id
Path = tuple[str, ...]  # the type of a resource, then the properties that lead to a value inside

_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(\S+)")
_RESTFUL = re.compile(r"(https?://\S+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_VERSION = "/_history/"
VERSION = _VERSION.encode()
# https://hl7.org/fhir/R4/http.html#trules: links in elements of these types are replaced, canonicals are not.
_URIS = frozenset({"uri", "url", "oid", "uuid"})


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


# How links look in a resource that is written as JSON; what an escape would hide is no URI.
_MAY_BE_CONDITIONAL = re.compile(rb'"reference":"[A-Z][A-Za-z]+\?')
_LINKS = re.compile(rb'"(?:reference":"|(?=urn:|https?://))([^"\\]+)')


def may_be_conditional(written: bytes) -> bool:
    """Return whether a resource, written as JSON, may have a conditional reference: most have none."""
    return _MAY_BE_CONDITIONAL.search(written) is not None


def _plain(link: bytes) -> str:
    return link.partition(b"#")[0].partition(VERSION)[0].decode()


def root(full_url: str | None) -> str:
    """Return what relative references of an entry with this fullUrl begin with; "" when it is no RESTful URL."""
    found = _RESTFUL.fullmatch(full_url or "")
    return found[1] if found else ""


def references(value: Any, key: str = "") -> Iterator[str]:
    """Yield what every Reference.reference within `value`, the value of property `key`, says."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from references(member, name)
    elif isinstance(value, list):
        for item in value:
            yield from references(item, key)
    elif key == "reference" and isinstance(value, str):
        yield value


def versioned(link: str) -> str | None:
    """Return what `link` leads to without its version; None when it names no version."""
    base, mark, _ = link.partition("#")[0].partition(_VERSION)
    return base if mark else None


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How the links of a resource are rewritten."""

    definitions: Definitions
    names: Names
    versions: Mapping[str, int] = field(default_factory=dict)  # Type/id → the version that the transaction makes
    root: str = ""  # what relative references begin with

    def needed(self, written: bytes) -> bool:
        """Return whether a resource, written as JSON, links to a name in `names`: to look is cheaper than to walk."""
        links = _LINKS.findall(written)
        if any(self._named(link.decode()) or self._named(_plain(link)) for link in links):
            return True
        return may_be_conditional(written)

    def _named(self, link: str) -> bool:
        return link in self.names or self.root + link in self.names

    def resource(self, resource: Any) -> Any:
        """Return `resource` with every link to a name in `names` replaced.

        A link is a Reference.reference (relative ones begin at `root`), an element of type uri, url, oid or uuid, or an
        href or src of a narrative. Fragments stay; a version becomes the one that is made. Elements of other types may
        look the same and are left alone: Identifier.value, canonicals.
        """
        return self._value(resource, ())

    def _value(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            if isinstance(type := value.get("resourceType"), str):
                path = (type,)
            return {name: self._value(member, (*path, name)) for name, member in value.items()}
        if isinstance(value, list):
            return [self._value(item, path) for item in value]
        return self._text(value, path) if isinstance(value, str) else value

    def _text(self, text: str, path: Path) -> str:
        name = path[-1] if path else ""
        if name == "reference":
            return self._target(text)
        if name == "div":
            for link, target in self.names.items():
                text = text.replace(f'"{link}"', f'"{target}"').replace(f'"{link}#', f'"{target}#')
            return text
        if ":" not in text[:8]:  # urn:, http:, https:
            return text
        target = self._target(text, relative=False)
        return target if target is not text and self._type(path) in _URIS else text

    def _target(self, link: str, *, relative: bool = True) -> str:
        if link in self.names:
            return self.names[link]
        rest, mark, fragment = link.partition("#")
        base, version, _ = rest.partition(_VERSION)
        if relative and self.root and _RELATIVE.fullmatch(base):
            base = self.root + base
        if base not in self.names:
            return link
        target = self.names[base]
        return (
            f"{target}{_VERSION}{self.versions.get(target, 1)}{mark}{fragment}" if version else target + mark + fragment
        )

    def _type(self, path: Path) -> str | None:
        """Return the type of the element at `path`; None when there is none."""
        definition = self.definitions.type(path[0])
        members: Mapping[str, Member] = definition.members if definition else {}
        found: Member | None = None
        for name in path[1:]:
            found = members.get(name)
            if found is None:
                return None
            members = self.definitions.members(found)
        return found.type if found else None
