"""A FHIR R4 (4.0.1) server for a country's immunization data.

https://hl7.org/fhir/R4/
"""
