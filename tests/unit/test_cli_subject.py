"""Whom a command is about."""

import pytest

from worker.cli.subject import read_subject
from worker.errors import UsageError
from worker.identity.rules import Identifier

pytestmark = pytest.mark.unit

PROFILE = "use_" + "0f" * 16


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("user_id:U1", Identifier("user_id", "U1")),
        ("email: Jane@X.io ", Identifier("email", "jane@x.io")),
        ("ios.push_token:a:b", Identifier("ios.push_token", "a:b")),
        ("user_id:use_1", Identifier("user_id", "use_1")),
        ("customer_id:007", Identifier("customer_id", "007")),
    ],
)
def test_an_identifier_is_read_as_events_are(text: str, identifier: Identifier) -> None:
    assert read_subject(text) == identifier


def test_a_profile_id_is_one() -> None:
    assert read_subject(PROFILE) == b"\x0f" * 16


@pytest.mark.parametrize("text", ["", "jane", ":jane", "email:", "email:  ", PROFILE[:-1], "use_" + "x" * 32])
def test_anything_else_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="neither TYPE:VALUE nor a profile id"):
        read_subject(text)
