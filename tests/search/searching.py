"""Search without a database: one indexer for all tests, and a naive evaluation of its conditions."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.definitions import core
from fhir_server.search import entries, plan, query
from fhir_server.search.entries import Span
from fhir_server.search.index import Indexer
from tests.search.conditions import holds

BASE = "https://tiem.example.vn/fhir"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
INDEXER = Indexer(core(), BASE, ZoneInfo("Asia/Ho_Chi_Minh"))
CATALOGUE = INDEXER.catalogue
CONTEXT = CATALOGUE.context


def document(resource: dict[str, Any], sequence: int = 1) -> dict[str, Any]:
    """Return what the database would hold of `resource`."""
    return {"_id": resource.get("id", "1"), "s": sequence, "ix": list(INDEXER.index(resource).entries)}


def condition(type: str, *parameters: tuple[str, str], now: datetime = NOW) -> dict[str, Any] | None:
    """Return the condition of a search that has no chains."""
    read = query.parse(CATALOGUE, type, parameters, now=now)
    return plan.to_filter(plan.plan(read, CATALOGUE))


def finds(resource: dict[str, Any], *parameters: tuple[str, str]) -> bool:
    """True when a search in the type of `resource` finds it."""
    wanted = condition(resource["resourceType"], *parameters)
    return wanted is not None and holds(wanted, document(resource))


def lies(rests: Iterable[str], spans: Iterable[Span]) -> bool:
    """True when one of `rests`, as entries of a parameter, lies in one of `spans`."""
    return holds(entries.condition("x", spans), {"ix": ["x" + rest for rest in rests]})
