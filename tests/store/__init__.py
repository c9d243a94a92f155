"""Tests of the store, all of them against a real mongod."""
