"""Write docs/conformance/*.md, and the counts in docs/conformance.md, from the tables docs/conformance/*.toml.

Run it after a change of a table: `.venv/bin/python scripts/build_conformance.py`. A test compares.
"""

import tomllib
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[1] / "docs"
TABLES = DOCS / "conformance"
PAGE = DOCS / "conformance.md"
BEGIN, END = "<!-- begin: counts, written by scripts/build_conformance.py -->", "<!-- end: counts -->"
HERE = ("yes", "limits", "no")


class Row(NamedTuple):
    """One statement of the specification, and what this server makes of it."""

    section: str  # anchor on the page
    says: str
    here: str  # yes | limits | no
    how: str
    proof: str  # a test of tests/http, or a request with the status that answers it


class Table(NamedTuple):
    """The statements of one page of the specification."""

    name: str
    title: str
    url: str
    rows: tuple[Row, ...]


def tables() -> list[Table]:
    """Return all tables; raise ValueError for a row that is malformed."""
    return [_table(path) for path in sorted(TABLES.glob("*.toml"))]


def _table(path: Path) -> Table:
    content = tomllib.loads(path.read_text())
    rows = tuple(Row(*row) for row in content["rows"])
    if wrong := [row for row in rows if row.here not in HERE]:
        raise ValueError(f"{path.name}: {wrong[0]}")
    return Table(path.stem, content["title"], content["url"], rows)


def page(table: Table) -> str:
    """Return the page of one table as Markdown."""
    lines = [
        f"# {table.title}: row by row",
        "",
        f"What [{table.url.rpartition('/')[2]}]({table.url}) says, in our words, and what this server makes of it.",
        f"Written by `scripts/build_conformance.py` from [{table.name}.toml]({table.name}.toml).",
        "",
        "| | section | R4 says | here | how | proof |",
        "|---|---|---|---|---|---|",
    ]
    for number, row in enumerate(table.rows, 1):
        where = f"[{row.section}]({table.url}#{row.section})"
        proof = f"`{row.proof}`".replace("|", "\\|")
        says, how = (text.replace("|", "\\|") for text in (row.says, row.how))
        lines.append(f"| {number} | {where} | {says} | {row.here} | {how} | {proof} |")
    return "\n".join(lines) + "\n"


def counts() -> str:
    """Return the table of counts as Markdown."""
    lines = ["| page | yes | with limits | no |", "|---|---|---|---|"]
    for table in tables():
        numbers = " | ".join(str(sum(row.here == here for row in table.rows)) for here in HERE)
        lines.append(f"| [{table.title}](conformance/{table.name}.md) | {numbers} |")
    return "\n".join(lines)


def with_counts(text: str) -> str:
    """Return the text of docs/conformance.md with the counts as they are."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{counts()}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Write all pages."""
    for table in tables():
        (TABLES / f"{table.name}.md").write_text(page(table))
    PAGE.write_text(with_counts(PAGE.read_text()))


if __name__ == "__main__":
    main()
