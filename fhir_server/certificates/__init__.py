"""From FHIR resources to the content of certificates, and from that content to what people read.

https://github.com/ehn-dcc-development/eu-dcc-schema
"""
