"""`python -m fhir_server.cli` is the same as `fhir-server`."""

from fhir_server.cli.app import app

app()
