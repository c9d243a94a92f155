"""Tests of the code tables: what the sources say is what was loaded."""
