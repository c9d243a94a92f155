"""The commands by name; the module of a command is imported when it is run: a scanner need not wait for a server.

https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
"""

import gc
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperGroup

# Name: module, and what it holds: a function, or a Typer with commands of its own.
COMMANDS = {
    "serve": ("fhir_server.cli.serving", "serve"),
    "load": ("fhir_server.cli.loading", "load"),
    "validate": ("fhir_server.cli.data", "validate"),
    "reindex": ("fhir_server.cli.administration", "reindex"),
    "package": ("fhir_server.cli.administration", "packages"),
    "terminology": ("fhir_server.cli.terminology", "app"),
    "demo-data": ("fhir_server.cli.data", "demo_data"),
    "certificate": ("fhir_server.cli.certificates", "app"),
    "keys": ("fhir_server.cli.keys", "app"),
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
    module, member = COMMANDS[name]
    found = getattr(_imported(module), member)
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
