"""The command line: run the server, load data, issue and verify certificates, make keys, check files.

`fhir-server --help` lists the commands; each command's `--help` is its documentation.
"""

from fhir_server.cli.app import app

__all__ = ["app"]
