"""Signed health certificates: bytes, keys and time; it knows neither FHIR nor HTTP.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""
