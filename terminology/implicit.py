"""Value sets that nobody wrote down: a code system's address says what they hold.

https://hl7.org/fhir/R4/snomedct.html#implicit — the same form is read for every code system
"""

from typing import Any, Final

Json = dict[str, Any]

MARK: Final = "?fhir_vs"
SNOMED: Final = "http://snomed.info/sct"


def value_set(url: str) -> Json | None:
    """Return the value set of all codes (`[system]?fhir_vs`), or of a code and those below it (`…=isa/[code]`).

    None for every other URL; reference sets are not known here.

    >>> value_set("http://example.org/cs?fhir_vs=isa/a")["compose"]["include"][0]["filter"][0]["value"]
    'a'
    """
    system, mark, wanted = url.partition(MARK)
    if not (system and mark):
        return None
    include: Json = {"system": system}
    if system.startswith(f"{SNOMED}/"):  # an edition, or a version of one
        include = {"system": SNOMED, "version": system}
    if wanted.startswith("=isa/") and wanted != "=isa/":
        include["filter"] = [{"property": "concept", "op": "is-a", "value": wanted.removeprefix("=isa/")}]
    elif wanted:
        return None
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
