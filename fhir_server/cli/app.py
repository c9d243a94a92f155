"""The commands by name."""

import typer

from fhir_server.cli import certificates, data, loading, serving

app = typer.Typer(
    name="fhir-server",
    help="A FHIR R4 server for a country's immunization data, with signed vaccination certificates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serving.serve)
app.command("load")(loading.load)
app.command("validate")(data.validate)
app.command("demo-data")(data.demo_data)
app.add_typer(certificates.app, name="certificate")
app.add_typer(certificates.keys, name="keys")
