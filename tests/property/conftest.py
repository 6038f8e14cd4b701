"""Hypothesis profiles of these tests: ``pytest tests/property --hypothesis-profile=soak`` looks for an hour or more."""

from hypothesis import settings

settings.register_profile("soak", max_examples=5_000, deadline=None)
