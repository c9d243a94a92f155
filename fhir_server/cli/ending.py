"""How a command ends when it cannot do what it was told: one sentence, status 2.

https://www.gnu.org/prep/standards/standards.html#Command_002dLine-Interfaces
"""

from typing import NoReturn

import typer
from rich.console import Console

console = Console(stderr=True, soft_wrap=True)  # a path that is broken in two is no path


def stop(message: str) -> NoReturn:
    """Print what is wrong and what to do, and end with status 2."""
    console.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(2)
