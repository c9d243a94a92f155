"""The door to FHIRPath: `paths` compiles what search parameters need of it to closures over JSON.

https://hl7.org/fhirpath/N1/ · https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression
"""
