"""The settings page says what the settings are."""

from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings

PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()


def shown(default: Any) -> str:
    """Return a default as the page writes it."""
    if default is None or default == ():
        return ""
    text = default.value if isinstance(default, Enum) else default
    return f"`{str(text).lower() if isinstance(text, bool) else text}`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    field = Settings.model_fields[name]
    row = f"| `FHIR_{name.upper()}` | {shown(field.default)} | {field.description} |".replace("|  |", "| |")
    assert row in PAGE


def test_the_page_names_no_other_setting() -> None:
    rows = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `FHIR_")]
    assert rows == [f"FHIR_{name.upper()}" for name in Settings.model_fields]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_MAX_CHAIN", "100")
    monkeypatch.setenv("FHIR_REFERENCES", "enforce")
    settings = Settings()
    assert (settings.max_chain, settings.references.value) == (100, "enforce")


@pytest.mark.parametrize(
    ("name", "value"), [("port", 70000), ("references", "maybe"), ("database", "a/b"), ("workers", 0)]
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})
