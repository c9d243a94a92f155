"""`--help` reads like documentation: every command, every option and every argument says what it is for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fhir_server.cli import app
from fhir_server.cli.app import COMMANDS as LISTED
from tests.cli.commands import called, run


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command below `command` with the words that lead to it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


COMMANDS = list(commands(typer.main.get_command(app)))


def test_the_commands_are_those_of_the_documentation() -> None:
    assert {" ".join(path) for path, _ in COMMANDS} >= {
        "serve",
        "load",
        "validate",
        "demo-data",
        "certificate issue",
        "certificate verify",
        "keys make",
        "keys list",
    }


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) or "-" for path, _ in COMMANDS])
def test_a_command_explains_itself(tmp_path: Path, path: tuple[str, ...], command: Any) -> None:
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None) or parameter.name == "help", parameter.name
    result = called(*path, "--help", cwd=tmp_path)
    assert result.status == 0
    assert command.help.split()[0] in result.out
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.opts[0] in result.out


async def test_the_installed_program_says_what_it_can_do() -> None:
    result = await run()
    assert "certificate" in result.out + result.err


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    assert called("fly", cwd=tmp_path).status == 2


@pytest.mark.parametrize("name", LISTED)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    command: Any = typer.main.get_command(app)
    assert LISTED[name].line == command.commands[name].help.partition("\n")[0]
