"""Search, as pure functions: what a resource is found by, what a client asks for, and the database condition for it.

https://hl7.org/fhir/R4/search.html
"""
