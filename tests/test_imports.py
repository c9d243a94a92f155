"""What is imported only when it is needed, so that commands and servers start fast.

https://docs.python.org/3/using/cmdline.html#cmdoption-X
"""

import subprocess
import sys
from importlib import import_module
from inspect import iscoroutinefunction

import pytest

from fhir_server.operations.table import OPERATIONS

DRAWING = {"PIL", "pypdfium2", "pyhanko", "reportlab", "zxingcpp"}
CLIENTS = {"httpx", "jwt", "jsonschema"}
SERVER = {"fastapi", "pydantic", "pymongo", "starlette", "uvicorn"}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import fhir_server.cli.serving", DRAWING | CLIENTS | {"examples", "fastapi"}),
        ("import fhir_server.web.fhir", DRAWING | CLIENTS | {"fastapi"}),
        ("import fhir_server.cli.verifying", SERVER | CLIENTS | {"reportlab", "pyhanko"}),
        (
            "from typer.testing import CliRunner; from fhir_server.cli import app; "
            "assert 'certificate' in CliRunner().invoke(app, ['--help']).stdout",
            SERVER | DRAWING | CLIENTS | {"signing", "terminology"},
        ),
    ],
    ids=["serve", "FHIR over HTTP", "certificate verify", "--help"],
)
def test_what_is_not_needed_at_once_is_not_imported(statement: str, absent: set[str]) -> None:
    program = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) & absent == set()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_somebody_who_performs_it(name: str) -> None:
    module, _, function = f"fhir_server.operations.{OPERATIONS[name].handler}".rpartition(".")
    assert iscoroutinefunction(getattr(import_module(module), function))
