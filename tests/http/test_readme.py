"""README's walk, as written: every command is run against a server, every answer compared."""

import asyncio
import json
import re
import shlex
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.http.serving import serving

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|json|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str, str]]:
    """Return (command, kind of answer, answer) as README shows them."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    assert [kind for kind, _ in blocks[::2]] == ["sh"] * (len(blocks) // 2), "each command has one answer"
    return [(command, kind, answer) for (_, command), (kind, answer) in zip(blocks[::2], blocks[1::2], strict=True)]


def differs(shown: Any, said: Any, at: str = "$") -> str | None:
    """Return where `said` lacks what is shown; members that README leaves out do not matter, list lengths do."""
    match shown:
        case dict():
            if not isinstance(said, dict):
                return f"{at}: {said!r}"
            places = (differs(value, said.get(name), f"{at}.{name}") for name, value in shown.items())
            return next(filter(None, places), None)
        case list():
            # A list of stages or issues may go on; what is shown comes first.
            if not isinstance(said, list) or len(said) < len(shown):
                return f"{at}: {said!r}"
            places = (
                differs(row, other, f"{at}[{n}]") for n, (row, other) in enumerate(zip(shown, said, strict=False))
            )
            return next(filter(None, places), None)
        case str() if "…" in shown:
            pattern = ".+".join(map(re.escape, shown.split("…")))
            return None if isinstance(said, str) and re.fullmatch(pattern, said) else f"{at}: {said!r}"
        case _:
            return None if shown == said else f"{at}: {said!r} is not {shown!r}"


async def curl(client: httpx.AsyncClient, words: list[str]) -> str:
    """Do what `curl -s [-X M] [-H H] [-d D | --data @F] URL` does."""
    method, headers, data, url = "", {}, None, ""
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-s":
                pass
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            case "-d" | "--data":
                data = next(rest)
                data = (ROOT / data[1:]).read_text() if data.startswith("@") else data
            case _:
                url = word.removeprefix("http://127.0.0.1:8080")
    answer = await client.request(method or ("POST" if data else "GET"), url, headers=headers, content=data)
    return answer.text


async def command(words: list[str], folder: Path, base: str) -> str:
    """Run `fhir-server …` in `folder`, against the test's server instead of port 8080."""
    program = shutil.which("fhir-server", path=str(ROOT / ".venv" / "bin")) or shutil.which("fhir-server")
    assert program is not None
    extra = ["--url", f"{base}/fhir"] if words[1:3] == ["certificate", "issue"] else []
    process = await asyncio.create_subprocess_exec(
        program, *words[1:], *extra, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture
async def demonstration(mongodb_uri: str, keys: Path, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server as `make run` starts it, its keys in `data/keys` of the folder that commands run in."""
    shutil.copytree(keys, tmp_path / "data" / "keys")
    name = f"readme_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys, references="enforce") as client:
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


async def test_the_walk_works_as_written(demonstration: httpx.AsyncClient, tmp_path: Path) -> None:
    assert len(steps()) >= 8
    for text, kind, shown in steps():
        words = shlex.split(text)
        if words[0] == "curl":
            said = await curl(demonstration, words)
        else:
            said = await command(words, tmp_path, str(demonstration.base_url))
        if kind == "json":
            assert differs(json.loads(shown), json.loads(said)) is None, (text, said)
        else:
            first = shown.splitlines()[0]
            assert differs(first, said.splitlines()[0]) is None, (text, said)


def test_the_script_walks_the_same_way() -> None:
    script = (ROOT / "examples" / "walkthrough.sh").read_text()
    assert [line for line in script.splitlines() if line.startswith(("curl ", ".venv/"))] == [
        text.strip() for text, _, _ in steps()
    ]


def test_the_comparison_notices_differences() -> None:
    assert differs({"a": [1, "x…"]}, {"a": [1, "xyz"], "b": 2}) is None
    assert differs({"a": [1]}, {"a": [2]}) == "$.a[0]: 2 is not 1"
    assert differs({"a": [1, 2]}, {"a": [1]}) == "$.a: [1]"
    assert differs("HC1:…", "HC2:A") == "$: 'HC2:A'"
