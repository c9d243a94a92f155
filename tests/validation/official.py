"""The HL7 validator's public test cases: those that speak of R4 in JSON and need nothing but R4, and what they expect.

https://github.com/FHIR/fhir-test-cases (Apache-2.0) · Maven artifact org.hl7.fhir.testcases:fhir-test-cases
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from zipfile import ZipFile

import orjson

Json = dict[str, Any]

# What can only be told with the content of a code system that R4 does not publish (SNOMED CT, LOINC, CVX, UCUM, ISO
# 3166 …: which of their codes are kinds of a vital sign, too), with the definition of an extension that the case does
# not bring along, or with the keys that somebody trusts.
FOREIGN = re.compile(
    r"https?://(snomed\.info|loinc\.org|standardterms\.edqm|unitsofmeasure|[^ ]*/sid/|browser\.ihtsdotools)"
    r"|Wrong (Display Name|whitespace in Display)|ECL|SNOMED|urn:(oid|iso)"
    r"|could not be found so is not allowed|is unknown, and not allowed here"
    r"|magic LOINC code \S+ required|ValueSet/jurisdiction|The signature (did not verify|cannot be valid)"
).search
# Filters by a coded property, written system#code: R4 says nothing of them.
LATER = re.compile(
    r"filter based on property '\S+' (is '\S+#\S+' which|must be in the format system\(\|version\)#code)"
).search
# Extensions of the reference validator's own package, and those that stand for elements of R5.
PACKAGED = re.compile(rb'"http://hl7\.org/fhir/(tools|5\.0)/').search
# Options of the reference validator that have it obey a policy beyond R4, or not obey R4, or ask its own repository.
OPTIONS = frozenset(
    {
        *("advisor", "allow-comments", "allowed-extension-domain", "assumeValidRestReferences", "examples"),
        *("fetch-canonicals", "fhir-validator-cli-options", "for-publication", "ips", "new-xver-mode"),
        *("no-experimental-content", "noHtmlInMarkdown", "r5-bundle-relative-reference-policy", "security-checks"),
        *("validateContains", "validateReference"),
    }
)

ROOT = "org/hl7/fhir/testcases"
VALIDATOR = f"{ROOT}/validator"
# What these modules try is not FHIR R4 JSON, or not validation: CDS Hooks messages, comments in JSON, logical models,
# signed cards, comparing with a pattern for tests.
OTHER_FORMATS = frozenset({"cdshooks", "json5", "logical", "matchetype", "shc"})


class Case(NamedTuple):
    """One resource, what it is checked with, and whether an error is expected."""

    name: str
    module: str
    body: bytes
    supporting: tuple[Json, ...]
    profile: str | None
    error: bool
    texts: tuple[str, ...] = ()  # what the reference validator says is wrong
    excluded: str | None = None  # why it says nothing about R4; None: it is in scope


@dataclass(frozen=True)
class Cases:
    """The test cases in the archive of their Maven artifact."""

    archive: ZipFile

    def __iter__(self) -> Iterator[Case]:
        return (case for case in self.every() if case.excluded is None)

    def every(self) -> Iterator[Case]:
        """Yield the cases of R4 in JSON that bring their packages along, with the reason why one is out of scope."""
        names = set(self.archive.namelist())
        manifest = orjson.loads(self.archive.read(f"{VALIDATOR}/manifest.json"))
        for row in manifest["test-cases"]:
            if not _in_scope(row) or f"{VALIDATOR}/{row['file']}" not in names:
                continue
            common = row.get("supporting", []) + row.get("profiles", [])
            if all(name.endswith(".json") for name in common):
                yield self._case(row, row["name"], common, None, row["java"])
            profile = row.get("profile", {})
            if profile and not profile.get("packages") and not profile["source"].endswith(".xml"):
                extra = profile.get("supporting", [])
                source = profile["source"]
                extra = extra if source.startswith("http") else [*extra, source]
                yield self._case(
                    row,
                    f"{row['name']}/profile",
                    row.get("supporting", []) + row.get("profiles", []) + extra,
                    source,
                    profile["java"],
                )

    def _case(self, row: Json, name: str, files: list[str], profile: str | None, expected: Any) -> Case:
        supporting = tuple(self._resources(files))
        if profile is not None and not profile.startswith("http"):
            loaded = self._read(profile)
            profile = loaded["url"] if loaded is not None else profile
        texts = self._texts(expected)
        module = row.get("module", "none")
        body = self._bytes(row["file"])
        return Case(name, module, body, supporting, profile, bool(texts), texts, _excluded(row, body, texts))

    def _bytes(self, name: str) -> bytes:
        return self.archive.read(f"{VALIDATOR}/{name}")

    def _read(self, name: str) -> Json | None:
        if not name.endswith(".json"):
            return None
        try:
            found: Json = orjson.loads(self._bytes(name))
        except (KeyError, orjson.JSONDecodeError):
            return None
        return found

    def _resources(self, files: list[str]) -> Iterator[Json]:
        for name in files:
            found = self._read(name)
            if found is None:
                continue
            if found.get("resourceType") == "Bundle":
                yield from (entry["resource"] for entry in found.get("entry", ()) if "resource" in entry)
            else:
                yield found

    def _texts(self, expected: Any) -> tuple[str, ...]:
        if isinstance(expected, str):
            expected = orjson.loads(self.archive.read(f"{VALIDATOR}/outcomes/{expected}"))
        outcome = expected.get("outcome", expected)
        return tuple(
            f"{issue.get('expression', [''])[0]}: {issue['details']['text']}"
            for issue in outcome.get("issue", ())
            if issue["severity"] in ("error", "fatal")
        )


def _excluded(row: Json, body: bytes, texts: tuple[str, ...]) -> str | None:
    """Return why a case is out of scope; None when it is not."""
    if texts and all(map(FOREIGN, texts)):
        return "foreign content"
    if texts and all(map(LATER, texts)):
        return "a rule of a later release"
    if not OPTIONS.isdisjoint(row):
        return "an option of the reference validator"
    if PACKAGED(body):
        return "an extension of a foreign package"
    if f"expecting success: {bool(texts)}" in row.get("description", "") or (not texts and b'"test-fail' in body):
        return "expected otherwise by its own description or id"
    return None


def _in_scope(row: Json) -> bool:
    return (
        row.get("version") in ("4.0", "4.0.1")
        and row["file"].endswith(".json")
        and not row.get("packages")
        and row.get("module") not in OTHER_FORMATS
        and "java" in row
    )
