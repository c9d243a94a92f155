"""The entries of a transaction as values: what each asks for, and what it writes as the database is now.

https://hl7.org/fhir/R4/http.html#transaction
"""

from dataclasses import dataclass

from fhir_server.interactions.conditional import Condition
from fhir_server.rest.interaction import Interaction
from fhir_server.store import Stored

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: where it stands, what it asks for, and what chooses the resource that it writes."""

    position: int
    interaction: Interaction
    full_url: str | None
    head: bool = False  # the answer is wanted without its body
    key: Key | None = None  # of what it writes, when that needs no search; a create's is new
    condition: Condition | None = None

    @property
    def at(self) -> str:
        """Where in the Bundle its request is."""
        return f"Bundle.entry[{self.position}].request"


@dataclass(frozen=True, slots=True)
class Target:
    """What an entry writes, as the database is now."""

    entry: Entry
    key: Key | None = None  # what links to the entry lead to
    superseded: Stored | None = None  # the current version, when there is one
    exists: bool = False  # a conditional create that has nothing to do
    removed: tuple[Stored, ...] = ()  # what a conditional delete finds
    claims: tuple[str, ...] = ()

    @property
    def keys(self) -> list[Key]:
        """The resources that the entry speaks for."""
        return [*([self.key] if self.key else []), *((each.type, each.id) for each in self.removed)]
