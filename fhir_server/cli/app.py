"""The commands by name; the module of a command is imported when it is run: a scanner need not wait for a server.

https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
"""

import gc
import sys
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Row(NamedTuple):
    """A command: the module and what it holds of it (a function, or a Typer with commands of its own), and one line."""

    module: str
    member: str
    line: str


COMMANDS = {
    "serve": Row("serving", "serve", "Serve FHIR below /fhir and certificates below /certificates."),
    "load": Row(
        "loading", "load", "Load data into a running server, and tell what was stored and how many break each rule."
    ),
    "validate": Row(
        "data", "validate", "Check files without a server: against R4 and every profile that meta.profile declares."
    ),
    "reindex": Row(
        "administration",
        "reindex",
        "Have a running server make its search index anew, of all types or of some, while it goes on serving.",
    ),
    "package": Row("administration", "packages", "FHIR packages (.tgz): add, list, remove."),
    "terminology": Row("terminology", "app", "Catalogues of codes as FHIR resources: files for `load`."),
    "demo-data": Row(
        "data",
        "demo_data",
        "Invent people with their doses by the national schedule, for trials and load tests; no one of them exists.",
    ),
    "certificate": Row("certificates", "app", "Issue and verify vaccination certificates."),
    "keys": Row(
        "keys",
        "app",
        "Make, request, rotate and list signing keys. The passphrase comes from FHIR_KEYS_PASSPHRASE(_FILE).",
    ),
}


class _Commands(dict[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if super().__getitem__(name) is None:
            self[name] = _made(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the command, or `default` when there is none."""
        try:
            return self[name]
        except KeyError:
            return default

    def items(self) -> Any:
        """Return all, made."""
        return {name: self[name] for name in self}.items()

    def values(self) -> Any:
        """Return all, made."""
        return {name: self[name] for name in self}.values()


def _made(name: str) -> Any:
    row = COMMANDS[name]
    found = getattr(_imported(f"{__package__}.{row.module}"), row.member)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


def _imported(module: str) -> ModuleType:
    """Import `module`; what modules define stays, and looking for garbage among it costs a tenth of the time."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.enable()


class _Group(TyperGroup):
    def __init__(self, **attributes: Any):
        super().__init__(**attributes)
        self.commands = _Commands(dict.fromkeys(COMMANDS))
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command; while the list is printed, only its line."""
        if self._listing:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name].line)
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the list without importing what the commands need."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


app = typer.Typer(
    name="fhir-server",
    help="A FHIR R4 server for a country's immunization data, with signed vaccination certificates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=_Group,
)


@app.callback()
def main() -> None:
    """A FHIR R4 server for a country's immunization data, with signed vaccination certificates."""
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal without Vietnamese letters shows others: no verdict is lost
        sys.stdout.reconfigure(errors="backslashreplace")
