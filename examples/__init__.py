"""Invented people, facilities, lots and doses for demonstrations, tests and load tests, and a small set ready to load.

`examples.generate.bundles` makes any number of people; `examples/data` holds 200 of them (seed 2026, 1 November 2026).
"""
