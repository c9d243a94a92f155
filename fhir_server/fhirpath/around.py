"""What is around the focus of an expression: the variables, and what only others can answer.

https://hl7.org/fhir/R4/fhirpath.html#vars · #functions
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


class Around:
    """The resource that holds the focus, the focus itself, and how references and value sets are looked up."""

    __slots__ = ("belongs", "conforms", "context", "resolved", "resource", "root", "today", "unknown")

    def __init__(
        self,
        resource: Json,
        root: Json | None = None,
        context: Any = None,
        resolved: Callable[[str], Json | None] | None = None,
        belongs: Callable[[Any, str], bool | None] | None = None,
        conforms: Callable[[Any, str], bool | None] | None = None,
        today: str | None = None,
    ):
        self.resource = resource  # %resource
        self.root = resource if root is None else root  # %rootResource: of a contained resource the one that holds it
        self.context = resource if context is None else context  # %context: what the expression is evaluated on
        self.resolved = resolved  # reference → the resource, when it is at hand
        self.belongs = belongs  # value, value set → whether it is a member; None when nobody here can tell
        self.conforms = conforms  # value, profile → whether it conforms; None when the profile is not known
        self.today = today  # date for today(), "2026-03-20"
        self.unknown = False  # something was asked that nobody here could answer: what was found may be wrong
