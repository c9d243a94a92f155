"""The terminology service over HTTP: small code systems from memory, large ones from rows; membership in a set.

BENCH_CONCEPTS: how many concepts the largest code system has (200,000)
"""

import os
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fhir_server.definitions import Definitions, core_facts
from profiles import resources
from scripts.bench.serving import SEED, Driven, Served, mongod, rate, serving, tell

Json = dict[str, Any]

GENDER = "http://hl7.org/fhir/administrative-gender"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
LARGE, HUGE = "http://example.org/large", "http://example.org/huge"
SYLLABLES = (
    *("viêm", "sốt", "lao", "gan", "phổi", "não", "tim", "thận", "cấp", "mạn", "vi", "khuẩn"),
    *("rút", "dạ", "dày", "xương", "khớp", "da", "mắt", "tai", "đường", "huyết"),
)
MOST = int(os.environ.get("BENCH_CONCEPTS", "200000"))
PART = 4_000
CLIENTS = 16
ASKED = 1_000  # questions of one kind


def run() -> None:
    """Print membership in a set, then a table of operations × code systems, then the memory."""
    tell(f"- Membership of a code in the value set of a binding: {_membership() * 1e9:.0f} ns.")
    with mongod() as uri, serving(uri) as served:
        before = served.resident()
        for url, count in ((LARGE, 15_844), (HUGE, MOST)):
            spent = _processor(served)
            seconds = _stored(served, url, count)
            spent = _processor(served) - spent
            tell(f"- {count:,} concepts stored and in force: {seconds:.1f} s; processor of the server: {spent:.1f} s.")
        tell()
        tell(f"| operation ({CLIENTS} clients) | a second | p50 ms | p99 ms | server's processor time, ms |")
        tell("|---|---|---|---|---|")
        for name, paths in _questions().items():
            spent = _processor(served)
            driven = _driven(served, paths)
            spent = (_processor(served) - spent) / len(paths)
            tell(f"| {name} | {driven.rate:,.0f} | {driven.p50:.1f} | {driven.p99:.1f} | {spent * 1000:.2f} |")
        tell()
        tell(f"- Resident memory of the server process: {before:.0f} MiB before, {served.resident():.0f} MiB after.")


def _membership() -> float:
    """Return the seconds that one look into the sets of a binding takes."""
    definitions = Definitions(core_facts(), resources())
    found = definitions.codes("http://hl7.org/fhir/ValueSet/immunization-status") or {}
    system = next(iter(found))
    return 1 / rate(lambda: [("completed" in found[system]) for _ in range(1000)], each=10) / 1000


def _concepts(count: int) -> list[Json]:
    choice = random.Random(SEED)
    return [
        {
            "code": f"C{at}",
            "display": " ".join(choice.choices(SYLLABLES, k=5)) + f" {at}",
            **({"property": [{"code": "parent", "valueCode": f"C{at // 10}"}]} if at else {}),
        }
        for at in range(count)
    ]


def _stored(served: Served, url: str, count: int) -> float:
    """Store a code system in parts and ask for a code of it; return the seconds until it is answered."""
    rows, name = _concepts(count), url.rpartition("/")[2]
    shell = {"resourceType": "CodeSystem", "url": url, "version": "1", "status": "active", "caseSensitive": True}
    started = time.perf_counter()
    for number, start in enumerate(range(0, count, PART)):
        part = {**shell, "id": f"{name}-{number}", "content": "fragment", "count": count}
        body = {**part, "concept": rows[start : start + PART]}
        served.drive([served.request("PUT", f"/fhir/CodeSystem/{part['id']}", body)], 1, once=True)
    below: Json = {"system": url, "filter": [{"property": "concept", "op": "is-a", "value": "C1"}]}
    value_set = {"resourceType": "ValueSet", "id": name, "url": f"{url}-vs", "status": "active"}
    compose = {"compose": {"include": [below]}}
    served.drive([served.request("PUT", f"/fhir/ValueSet/{name}", {**value_set, **compose})], 1, once=True)
    for _ in range(60):  # while the rows are made an answer may be "ask again"
        driven = _asked(served, f"CodeSystem/$lookup?{urlencode({'system': url, 'code': 'C1'})}")
        if driven:
            break
        time.sleep(1)
    return time.perf_counter() - started


def _asked(served: Served, path: str) -> bool:
    try:
        served.get(path)
    except SystemExit:
        return False
    return True


def _questions() -> dict[str, list[str]]:
    """Return the paths to ask by the name of their row."""
    choice = random.Random(SEED)
    codes = {
        url: [f"C{choice.randrange(count)}" for _ in range(ASKED)] for url, count in ((LARGE, 15_844), (HUGE, MOST))
    }
    words = [f"{choice.choice(SYLLABLES)} {choice.choice(SYLLABLES)[:2]}" for _ in range(100)]

    def paths(operation: str, rows: list[dict[str, Any]]) -> list[str]:
        return [f"{operation}?{urlencode(row)}" for row in rows]

    found = {
        "$lookup, R4's own": paths("CodeSystem/$lookup", [{"system": GENDER, "code": "male"}] * ASKED),
        "ValueSet/$validate-code, R4's own": paths(
            "ValueSet/$validate-code", [{"url": GENDERS, "system": GENDER, "code": "male"}] * ASKED
        ),
        "$expand, R4's own, 4 codes": paths("ValueSet/$expand", [{"url": GENDERS}] * ASKED),
    }
    for url, name in ((LARGE, "15,844"), (HUGE, f"{MOST:,}")):
        rows = [{"system": url, "code": code} for code in codes[url]]
        found[f"$lookup, {name} concepts"] = paths(
            "CodeSystem/$lookup", [{**row, "property": "parent"} for row in rows]
        )
        found[f"ValueSet/$validate-code (is-a), {name} concepts"] = paths(
            "ValueSet/$validate-code", [{"url": f"{url}-vs", **row} for row in rows]
        )
        found[f"$subsumes, {name} concepts"] = paths(
            "CodeSystem/$subsumes", [{"system": url, "codeA": "C1", "codeB": code} for code in codes[url]]
        )
        found[f"$expand (is-a), page of 20, {name} concepts"] = paths(
            "ValueSet/$expand", [{"url": f"{url}-vs", "count": 20, "offset": 20 * (at % 5)} for at in range(100)]
        )
        found[f"$expand (is-a), two words typed, {name} concepts"] = paths(
            "ValueSet/$expand", [{"url": f"{url}-vs", "count": 20, "filter": text} for text in words]
        )
    return found


def _driven(served: Served, paths: list[str]) -> Driven:
    return served.drive([served.request("GET", f"/fhir/{path}") for path in paths], CLIENTS, once=True)


def _processor(served: Served) -> float:
    """Return the seconds of processor time that the server's process has used."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
