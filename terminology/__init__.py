"""The country's code tables as data: vaccines, diseases, the schedule, places, ethnic groups.

Each table in `terminology/data` names its source, licence, version and certainty.
`scripts/build_terminology.py` makes them.
"""
