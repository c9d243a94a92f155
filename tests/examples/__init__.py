"""Tests of the example data: repeatable, valid, invented."""
