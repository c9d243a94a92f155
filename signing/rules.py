"""Business rules by country: who may enter with which certificate, applied to what a DCC says.

https://github.com/ehn-dcc-development/eu-dcc-business-rules/blob/main/documentation/specification.md
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from signing import certlogic
from signing.refusal import Refused
from signing.verification import OK, Stage

MOST_RULES = 500  # that apply to one certificate
_KINDS = {"v": "Vaccination", "t": "Test", "r": "Recovery"}
_GENERAL = "General"
_NEWEST_ENGINE = (1, 3)


class Rule(NamedTuple):
    """One rule: when, where and to which certificates it applies, and its logic."""

    identifier: str
    type: str  # Acceptance: of the country of arrival; Invalidation: of the country that issued
    country: str
    version: tuple[int, ...]
    kind: str
    begins: datetime
    ends: datetime
    region: str | None
    description: Mapping[str, str]  # by language
    logic: Any
    row: Mapping[str, Any]  # the rule as it was distributed


class Rulebook(NamedTuple):
    """Rules and the value sets they look into, for an arrival in `country`."""

    rules: tuple[Rule, ...]
    value_sets: Mapping[str, Sequence[str]]
    country: str | None = None  # of arrival; None: only what the issuing country declares invalid
    region: str | None = None

    def arriving(self, country: str | None, region: str | None = None) -> "Rulebook":
        """Return the same rules for an arrival in `country`."""
        return self._replace(country=country.upper() if country else None, region=region)

    def stage(self, payload: Mapping[str, Any], now: datetime, external: Mapping[str, Any]) -> Stage:
        """Return the stage `rules`: ok, `rule-failed`, or `rules-open` when a rule could not be evaluated.

        `external` holds what the claims say: `issuerCountryCode`, `iat`, `exp`, `kid`.
        """
        applicable = self.applicable(payload, now, external.get("issuerCountryCode"))
        if not applicable:
            return Stage("rules", None, "no-rules", "no rule applies to this certificate at this time")
        if len(applicable) > MOST_RULES:
            return Stage("rules", None, "rules-open", f"more than {MOST_RULES} rules apply")
        given = {
            "validationClock": now.isoformat(),
            "valueSets": self.value_sets,
            "countryCode": self.country,
            "region": self.region,
            **external,
        }
        broken, unsure = [], []
        for rule in applicable:
            try:
                value = certlogic.evaluate(rule.logic, {"payload": payload, "external": given})
            except Refused as refusal:
                unsure.append(f"{rule.identifier}: {refusal.detail}")
                continue
            if value is not True:
                broken.append(f"{rule.identifier}: {rule.description.get('en', '')}".rstrip(": "))
        if broken:
            return Stage("rules", False, "rule-failed", "; ".join(broken))
        if unsure:
            return Stage("rules", None, "rules-open", "; ".join(unsure))
        return OK["rules"]

    def applicable(self, payload: Mapping[str, Any], now: datetime, issuer: str | None) -> tuple[Rule, ...]:
        """Return the rules that apply, of each the newest version that is in force, in the order of their names."""
        kinds = {name for group, name in _KINDS.items() if payload.get(group)} | {_GENERAL}
        newest: dict[str, Rule] = {}
        for rule in self.rules:
            place = self.country if rule.type == "Acceptance" else issuer
            fits = rule.country == place and rule.kind in kinds and rule.begins <= now < rule.ends
            if not fits or (rule.region is not None and rule.region != self.region):
                continue
            known = newest.get(rule.identifier)
            if known is None or known.version < rule.version:
                newest[rule.identifier] = rule
        return tuple(newest[name] for name in sorted(newest))


def load(path: Path) -> Rulebook:
    """Read rules and value sets from a file, or from every `.json` in a folder; raise Refused or OSError naming it."""
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    found: list[Any] = []
    for file in files:
        try:
            found.append(json.loads(file.read_bytes()))
        except (ValueError, RecursionError) as error:
            raise Refused("not-rules", f"{file.name} is not JSON ({error})") from None
    return parse(found)


def parse(documents: Iterable[Any]) -> Rulebook:
    """Read rules (one, or a list), value sets (`valueSetId`, `valueSetValues`), or `{"rules": …, "valueSets": …}`.

    Raise Refused on a document that is none of these, or a rule that cannot be evaluated.
    """
    rules: list[Rule] = []
    sets: dict[str, list[str]] = {}
    for document in documents:
        match document:
            case {"valueSetId": str() as name, "valueSetValues": values} if isinstance(values, dict | list):
                sets[name] = list(values)
            case {"rules": list() as rows, "valueSets": dict() as given}:
                rules += map(rule, rows)
                sets |= {name: list(codes) for name, codes in given.items()}
            case [*rows]:
                inner = parse(rows)
                rules += inner.rules
                sets |= {name: list(codes) for name, codes in inner.value_sets.items()}
            case {"Logic": _}:
                rules.append(rule(document))
            case _:
                raise Refused("not-rules", "a document holds neither rules nor a value set")
    return Rulebook(tuple(rules), sets)


def rule(row: Any) -> Rule:
    """Read a rule as the gateway distributes it; raise Refused when it is none, or its logic cannot be evaluated."""
    try:
        engine = _version(row["EngineVersion"])
        if row.get("Engine") != "CERTLOGIC" or engine[0] != 1 or engine[:2] > _NEWEST_ENGINE:
            raise Refused("rule-engine", f"{row['Identifier']!r:.40} is for an engine that is not CertLogic 1.0 to 1.3")
        if problems := certlogic.problems(row["Logic"]):
            raise Refused("rule-invalid", f"{row['Identifier']!r:.40}: {'; '.join(problems)}")
        return Rule(
            str(row["Identifier"]),
            str(row["Type"]),
            str(row["Country"]).upper(),
            _version(row["Version"]),
            str(row["CertificateType"]),
            _time(row["ValidFrom"]),
            _time(row["ValidTo"]),
            row.get("Region"),
            {str(text["lang"]): str(text["desc"]) for text in row.get("Description", ())},
            row["Logic"],
            row,
        )
    except Refused:
        raise
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise Refused("not-rules", f"a rule lacks what it needs ({error!r})") from None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
