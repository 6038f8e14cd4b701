"""The consumer that README shows, run as it stands against a real broker."""

import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.lines import audiences, track
from tests.integration.world import World

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_consumer_of_readme_prints_the_changes(world: World) -> None:
    """Only the broker's address, the topic's prefix and the waiting time are not README's."""
    (script,) = re.findall(r"<!-- consumer -->\n```python\n(.*?)```", README, re.DOTALL)
    for shown, here in (
        ('"localhost:9092"', repr(world.broker.servers)),
        ('"mailings"', repr(world.group("mailings"))),
        ('"audience-changes"', repr(world.topic("audience-changes"))),
    ):
        assert shown in script
        script = script.replace(shown, here)
    world.define(audiences(buyers="event('Bought').count() >= 1"))
    with world.worker():
        world.write([track("2025-01-01T00:00:00Z", "Bought", user="u1")])
        world.changes(1)

        shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert shown.count("Audience Entered") == 1
    assert '"buyers":true' in shown
