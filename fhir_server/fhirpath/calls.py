"""What operators and functions do to collections, once their operands and arguments are compiled.

https://hl7.org/fhirpath/N1/#functions · https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath import functions, patterns
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.functions import EMPTY, FALSE, TRUE, Bare, Values, boolean, logical

# A collection of the focus and what is around it → a collection
Evaluate = Callable[[Values, Around], Values]
# What is left of the dot, what `$this` is around it, what is around both → a collection
Function = Callable[[Values, Values, Around], Values]

# The focus, an item or a collection, and what is around it → a truth value; None: empty
Truth = Callable[[Any, Around], bool | None]

ORDERS: Mapping[str, tuple[int, ...]] = {"<": (-1,), ">": (1,), "<=": (-1, 0), ">=": (1, 0)}
MAX_REPEATED = 100_000  # items that repeat() may find


def target(value: Any, around: Around) -> dict[str, Any] | None:
    """Return the resource that a Reference, canonical or uri leads to, when it is at hand."""
    told = value.get("reference") if type(value) is dict else value
    return around.resolved(told) if around.resolved is not None and type(told) is str else None


def item_at(values: Evaluate, position: Evaluate) -> Evaluate:
    """Compile `values[position]`."""

    def evaluate(this: Values, around: Around) -> Values:
        at = position(this, around)
        return values(this, around)[at[0] : at[0] + 1] if at and type(at[0]) is int and at[0] >= 0 else EMPTY

    return evaluate


def equals_text(values: Evaluate, text: str) -> Evaluate:
    """`path = 'text'`, the most frequent of all comparisons."""

    def evaluate(this: Values, around: Around) -> Values:
        found = values(this, around)
        if not found or type(found[0]) is Bare:
            return EMPTY
        return TRUE if len(found) == 1 and found[0] == text else FALSE

    return evaluate


def comparison(operator: str, one: Evaluate, other: Evaluate) -> Evaluate:
    """Compile `<`, `>`, `<=`, `>=`: empty when the order cannot be told."""
    wanted = ORDERS[operator]

    def evaluate(this: Values, around: Around) -> Values:
        found = functions.order(one(this, around), other(this, around))
        return EMPTY if found is None else TRUE if found in wanted else FALSE

    return evaluate


def logic(operator: str, one: Evaluate, other: Evaluate) -> Evaluate:
    """Compile `and`, `or`, `implies` and `xor` of collections."""
    holds = connective(
        operator,
        lambda this, around: logical(one(this, around)),
        lambda this, around: logical(other(this, around)),
    )
    return lambda this, around: boolean(holds(this, around))


def connective(operator: str, one: Truth, other: Truth) -> Truth:
    """Compile three-valued logic (§6.5); the right side is not evaluated when the left one decides."""

    def both(focus: Any, around: Around) -> bool | None:
        left = one(focus, around)
        if left is False:
            return False
        right = other(focus, around)
        return False if right is False else None if left is None or right is None else True

    def either(focus: Any, around: Around) -> bool | None:
        left = one(focus, around)
        if left is True:
            return True
        right = other(focus, around)
        return True if right is True else None if left is None or right is None else False

    def implication(focus: Any, around: Around) -> bool | None:
        left = one(focus, around)
        if left is False:
            return True
        right = other(focus, around)
        return True if right is True else None if left is None or right is None else False

    def exclusive(focus: Any, around: Around) -> bool | None:
        left, right = one(focus, around), other(focus, around)
        return None if left is None or right is None else left != right

    return {"and": both, "or": either, "implies": implication, "xor": exclusive}[operator]


def matching(pattern: str) -> Function:
    """Compile `matches`; raise Unsupported when the pattern is no regular expression."""
    search = patterns.finding(pattern)

    def matches(values: Values, this: Values, around: Around) -> Values:
        if not values or type(values[0]) is not str:
            return EMPTY
        return TRUE if search(values[0]) else FALSE

    return matches


def textual(function: Callable[[str, Any], Values], argument: Evaluate) -> Function:
    """Compile a function of a text and one argument."""

    def evaluate(values: Values, this: Values, around: Around) -> Values:
        part = argument(this, around)
        return function(values[0], part[0]) if values and part and type(values[0]) is str else EMPTY

    return evaluate


def numeric(function: Callable[[Any, Any], Values], argument: Evaluate) -> Function:
    """Compile a function of a number and one argument."""

    def evaluate(values: Values, this: Values, around: Around) -> Values:
        part = argument(this, around)
        numbers = len(values) == len(part) == 1 and functions.is_number(values[0]) and functions.is_number(part[0])
        return function(values[0], part[0]) if numbers else EMPTY

    return evaluate


def of_text(function: Callable[[str], str]) -> Function:
    """Compile a function of a text."""
    return lambda values, this, around: [function(value) for value in values[:1] if type(value) is str]


def joined(values: Values, separator: str) -> Values:
    """`join`."""
    return [separator.join(value for value in values if type(value) is str)] if values else EMPTY


def extension(url: str) -> Function:
    """Compile `extension(url)`."""

    def extension(values: Values, this: Values, around: Around) -> Values:
        holders = (value.extras if type(value) is Bare else value for value in values)
        lists = (value.get("extension") for value in holders if type(value) is dict)
        return [
            found
            for some in lists
            if type(some) is list
            for found in some
            if type(found) is dict and found.get("url") == url
        ]

    return extension


def resolve(values: Values, this: Values, around: Around) -> Values:
    """`resolve()`: what is at hand of what the references lead to (https://hl7.org/fhir/R4/fhirpath.html#functions)."""
    found = [target(value, around) for value in values]
    if None in found:
        around.unknown = True
    return [target for target in found if target is not None]


def member_of(value_set: str) -> Function:
    """Compile `memberOf`."""
    return asking(lambda value, around: None if around.belongs is None else around.belongs(value, value_set))


def conforms_to(profile: str) -> Function:
    """Compile `conformsTo`."""
    return asking(lambda value, around: None if around.conforms is None else around.conforms(value, profile))


def asking(answer: Callable[[Any, Around], bool | None]) -> Function:
    """Ask something of the one item that there is; who cannot answer is noted."""

    def evaluate(values: Values, this: Values, around: Around) -> Values:
        if len(values) != 1:
            return EMPTY
        found = answer(values[0], around)
        if found is None:
            around.unknown = True
            return EMPTY
        return TRUE if found else FALSE

    return evaluate


def replace_matches(pattern: str, text: str) -> Function:
    """Compile `replaceMatches`; raise Unsupported when the pattern is no regular expression."""
    replace = patterns.replacing(pattern, text)

    def replaced(values: Values, this: Values, around: Around) -> Values:
        return [replace(value) for value in values[:1] if type(value) is str]

    return replaced


def repeat(projection: Evaluate) -> Function:
    """`repeat`: what the projection finds, and what it finds in that, until nothing new comes."""

    def evaluate(values: Values, this: Values, around: Around) -> Values:
        found: Values = []
        level = values
        while level and len(found) < MAX_REPEATED:
            level = unknown_yet([each for value in level for each in projection([value], around)], found)
            found += level
        return found

    return evaluate


def unknown_yet(values: Values, found: Values) -> Values:
    """Return the values that are not among `found`: the same object, or an equal primitive."""
    known = {identity(value) for value in found}
    new = []
    for value in values:
        key = identity(value)
        if key not in known:
            known.add(key)
            new.append(value)
    return new


def identity(value: Any) -> tuple[type, Any]:
    """Return what tells an item from others: of primitives the value, of objects which one it is."""
    return type(value), value if isinstance(value, str | int | Decimal) else id(value)


def iif(condition: Evaluate, then: Evaluate, otherwise: Evaluate | None) -> Function:
    """Compile `iif`."""

    def iif(values: Values, this: Values, around: Around) -> Values:
        if logical(condition(values, around)) is True:
            return then(values, around)
        return EMPTY if otherwise is None else otherwise(values, around)

    return iif


def substring(start: Evaluate, length: Evaluate | None) -> Function:
    """Compile `substring`."""

    def substring(values: Values, this: Values, around: Around) -> Values:
        at = start(this, around)
        many = [None] if length is None else length(this, around)
        if not values or type(values[0]) is not str or not at or type(at[0]) is not int or not many:
            return EMPTY
        return functions.substring(values[0], at[0], many[0])

    return substring


def with_extras(name: str, holders: Evaluate, values: Evaluate) -> Evaluate:
    """Compile the child `name` with each primitive replaced by what lies beside it; objects stay."""
    extras = "_" + name

    def evaluate(this: Values, around: Around) -> Values:
        found: Values = [value for value in values(this, around) if type(value) in (dict, Bare)]
        for holder in holders(this, around):
            beside = holder.get(extras) if type(holder) is dict and holder.get(name) is not None else None
            each = beside if type(beside) is list else [beside]
            found += [Bare(one) for one in each if type(one) is dict]
        return found

    return evaluate
