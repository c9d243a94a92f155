"""One file for each search parameter type: how a value is parsed, indexed and matched.

https://hl7.org/fhir/R4/search.html#ptypes
"""
