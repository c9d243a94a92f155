"""Commands run against a server of the test: its fixtures are those of the HTTP tests."""

from tests.http.conftest import client, keys

__all__ = ["client", "keys"]
