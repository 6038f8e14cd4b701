"""From settings to what the engine takes."""

import pytest

from worker.cli.options import options_of
from worker.identity.rules import Caps
from worker.settings import load_settings

pytestmark = pytest.mark.unit


def test_the_caps_of_a_profile_are_settings() -> None:
    settings = load_settings({"AW_IDENTITY_MERGES_MAX": "7", "AW_IDENTITY_MAPPINGS_MAX": "20"})

    assert options_of(settings).identity_caps == Caps(merges_max=7, mappings_max=20)
    assert options_of(load_settings({})).identity_caps == Caps(merges_max=100, mappings_max=1000)
