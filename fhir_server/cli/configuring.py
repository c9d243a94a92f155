"""The settings of a command: those of the environment, and what the command line says besides.

https://docs.pydantic.dev/latest/concepts/pydantic_settings/
"""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError
from pydantic_settings import SettingsError

from fhir_server.cli.ending import stop
from fhir_server.settings import Settings


def configured(given: dict[str, Any]) -> Settings:
    """Return the settings of the environment and the command line; when they are not valid, say why and stop."""
    try:
        settings = Settings(**given)
        ZoneInfo(settings.time_zone)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors()]
        stop("These settings are not valid: " + "; ".join(problems))
    except SettingsError as error:  # a tuple that is no JSON
        stop(f"These settings are not valid: {error}; write it as a JSON array")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        stop(f"These settings are not valid: time_zone: there is no zone {settings.time_zone}, write Asia/Ho_Chi_Minh")
    return settings
