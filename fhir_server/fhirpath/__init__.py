"""FHIRPath: one grammar, two compilers to closures over JSON.

https://hl7.org/fhirpath/N1/ · https://hl7.org/fhir/R4/fhirpath.html

    text ──► syntax.parse ──► tree ─┬─► paths.compile: search parameters; the type of every value is known beforehand
                                    └─► evaluation.compile: invariants; what JSON says of a value must do

Both raise `syntax.Unsupported` for what they do not compile.
"""
