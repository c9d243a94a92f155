"""Tests of the definitions: what is said on the pages of R4 is what was loaded."""
