"""``explain``: why somebody is in an audience or not, over a replay of events."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import Definitions, Run
from tests.acceptance.lines import Line, as_text, audience, audiences, definition, identify, page, passthrough, track

pytestmark = pytest.mark.acceptance

Explain = Callable[..., Any]

FAN = audiences(
    pricing_fan="event('Page Viewed').where(property('page_name') = 'Pricing').within(7 days).count() >= 3",
    visitor="event('Page Viewed').count() >= 1",
)
VISITS = [page(f"2025-01-0{day}T10:00:00Z", "Pricing", user="u1") for day in (5, 6)]
LEFT_CART = """event('Product Added').where(
    NOT event('Order Completed').where(property('sku') = property(parent: 'sku')).within(parent: 1 day).count() >= 1
  ).within(30 days).count() >= 1"""


@pytest.fixture(scope="session")
def finished(run: Run, definitions_file: Callable[[Definitions], str]) -> Explain:
    """The finished command over events, about u1; ``-d`` and ``--events`` are given to it."""

    def finish(definitions: Definitions, lines: list[Line], *arguments: str) -> Any:
        replay = ["-d", definitions_file(definitions), "--events", "-", "--profile", "user_id:u1"]
        return run("explain", *replay, *arguments, stdin=as_text(lines))

    return finish


@pytest.fixture(scope="session")
def explain(finished: Explain) -> Explain:
    """What the command prints with ``--json``."""

    def explained(definitions: Definitions, lines: list[Line], *arguments: str) -> Any:
        done = finished(definitions, lines, *arguments, "--json")
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return explained


def only(explained: Any) -> Any:
    """The one audience that was asked for."""
    (view,) = explained["audiences"]
    return view


def side_of(view: Any) -> Any:
    """What an audience of one comparison compares."""
    (side,) = view["explanation"]["sides"]
    return side


# --- The audience -------------------------------------------------------------------------------------------


def test_who_is_not_in_yet_hears_what_is_missing(explain: Explain) -> None:
    view = only(explain(FAN, VISITS, "--audience", "pricing_fan"))

    assert (view["member"], view["value"], view["since"], view["transition"]) == (False, False, None, 0)
    assert (view["next_due"], view["by_itself"], view["notes"]) == (None, None, [])
    assert view["explanation"]["would_change"] == [
        "1 more event('Page Viewed').where(property('page_name') = 'Pricing') before 2025-01-12T10:00:00.000Z"
    ]
    side = side_of(view)
    assert (side["value"], side["wanted"], side["told"]) == (2, 3, "the next drops out at 2025-01-12T10:00:00.000Z")
    assert [(event["at"], event["leaves_at"]) for event in side["events"]] == [
        ("2025-01-05T10:00:00.000Z", "2025-01-12T10:00:00.000Z"),
        ("2025-01-06T10:00:00.000Z", "2025-01-13T10:00:00.000Z"),
    ]


def test_a_member_hears_since_when_and_until_when(explain: Explain) -> None:
    lines = [*VISITS, page("2025-01-07T10:00:00Z", "Pricing", user="u1")]

    view = only(explain(FAN, lines, "--audience", "pricing_fan"))

    assert (view["member"], view["value"]) == (True, True)
    assert (view["since"], view["transition"], view["revision"]) == ("2025-01-07T10:00:00.000Z", 1, 1)
    assert view["next_due"] == view["explanation"]["changes_at"] == "2025-01-12T10:00:00.000Z"
    assert view["by_itself"] == {"at": "2025-01-12T10:00:00.000Z", "does": "exit"}
    assert view["explanation"]["would_change"] == []  # more of them cannot end it


def test_the_clock_of_a_replay_runs_on(explain: Explain) -> None:
    lines = [*VISITS, page("2025-01-07T10:00:00Z", "Pricing", user="u1")]

    said = explain(FAN, lines, "--audience", "pricing_fan", "--until", "2025-01-13T00:00:00Z")

    assert said["at"] == "2025-01-13T00:00:00.000Z"
    view = only(said)
    assert (view["member"], view["since"], view["transition"]) == (False, "2025-01-12T10:00:00.000Z", 2)
    assert side_of(view)["value"] == 2


def test_without_a_key_all_audiences_are_explained(explain: Explain) -> None:
    said = explain(FAN, VISITS)

    assert [(view["audience"], view["member"]) for view in said["audiences"]] == [
        ("pricing_fan", False),
        ("visitor", True),
    ]


def test_the_definition_in_force_at_the_end_counts(explain: Explain) -> None:
    """One that came among the events, with its revision."""
    lines = [*VISITS, definition("2025-01-07T00:00:00Z", "visitor", {"query": "event('Page Viewed').count() >= 5"})]

    view = only(explain(FAN, lines, "--audience", "visitor"))

    assert (view["member"], view["transition"], view["revision"]) == (False, 2, 2)
    assert side_of(view)["wanted"] == 5


def test_who_cannot_be_a_member_hears_why(explain: Explain, run: Run, definitions_file: Any) -> None:
    replay = ["-d", definitions_file(FAN), "--events", "-", "--profile", "anonymous_id:a1", "--audience", "visitor"]

    done = run("explain", *replay, "--json", stdin=as_text([page("2025-01-05T10:00:00Z", anonymous="a1")]))

    view = only(json.loads(done.stdout))
    assert (view["member"], view["value"], view["eligible"]) == (False, True, False)
    assert view["notes"] == ["the profile cannot be a member: it has none of android.idfa, email, ios.idfa, user_id"]


# --- Every kind of node -------------------------------------------------------------------------------------


def test_junctions_have_their_parts(explain: Explain) -> None:
    query = "trait('plan') = 'pro' AND NOT (event('A').count() >= 1 OR event('B').count() >= 1)"
    lines = [
        identify("2025-01-05T10:00:00Z", {"plan": "pro"}, user="u1"),
        track("2025-01-06T10:00:00Z", "B", user="u1"),
    ]

    root = only(explain(audiences(one=query), lines))["explanation"]

    assert (root["kind"], root["value"]) == ("and", False)
    plan, negation = root["parts"]
    assert (plan["value"], plan["sides"][0]["value"], plan["sides"][0]["told"]) == (
        True,
        "pro",
        "set at 2025-01-05T10:00:00.000Z",
    )
    assert (negation["kind"], negation["value"]) == ("not", False)
    assert [one["value"] for one in negation["parts"][0]["parts"]] == [False, True]


def test_events_wait_for_their_window(explain: Explain) -> None:
    query = "event('Page Viewed').between(1 day, 3 days).count() = 2"

    view = only(explain(audiences(one=query), VISITS))

    side = side_of(view)
    assert side["value"] == 1
    assert [(event["counts"], event["comes_in_at"]) for event in side["events"]] == [
        (True, None),
        (False, "2025-01-07T10:00:00.000Z"),
    ]
    assert view["by_itself"] == {"at": "2025-01-07T10:00:00.000Z", "does": "enter"}


@pytest.mark.parametrize(
    ("query", "value", "told"),
    [
        ("event('X').sum(property('n')) >= 10", 7, "of all time; single events are not kept"),
        ("event('X').count() >= 10", 2, "of all time; single events are not kept"),
        ("event('X').last(property('n')) = 1", 4, "of the event at 2025-01-06T10:00:00.000Z"),
        (
            "event('X').within(7 days).max(property('n')) >= 10",
            4,
            "1 of 1 events count; the next drops out at 2025-01-13T10:00:00.000Z",
        ),
        (
            "event('X').expires_after(30 minutes).count() >= 2",
            0,
            "no session now; the last one was from 2025-01-06T10:00:00.000Z to 2025-01-06T10:00:00.000Z",
        ),
        ("event('Y').unique(property('n')).count() >= 1", 0, "no such event so far"),
    ],
)
def test_reducers_have_their_value_and_what_it_is_made_of(explain: Explain, query: str, value: Any, told: str) -> None:
    lines = [track(f"2025-01-0{day}T10:00:00Z", "X", {"n": n}, user="u1") for day, n in ((5, 3), (6, 4))]

    side = side_of(only(explain(audiences(one=query), lines, "--until", "2025-01-06T12:00:00Z")))

    assert (side["value"], side["told"]) == (value, told)


def test_a_sum_says_how_much_is_missing(explain: Explain) -> None:
    query = "event('X').within(7 days).sum(property('n')) >= 10"

    view = only(explain(audiences(one=query), [track("2025-01-05T10:00:00Z", "X", {"n": 3}, user="u1")]))

    assert view["explanation"]["would_change"] == ["event('X'), if its property('n') adds at least 7"]


def test_a_funnel_is_explained_event_by_event(explain: Explain) -> None:
    lines = [
        track("2025-01-05T10:00:00Z", "Product Added", {"sku": "a"}, user="u1"),
        track("2025-01-05T10:01:00Z", "Product Added", {"sku": "b"}, user="u1"),
        track("2025-01-05T10:02:00Z", "Order Completed", {"sku": "a"}, user="u1"),
    ]

    view = only(explain(audiences(left_cart=LEFT_CART), lines))

    assert (view["member"], view["value"]) == (False, None)
    assert view["by_itself"] == {"at": "2025-01-06T10:01:00.000Z", "does": "enter"}
    side = side_of(view)
    assert (side["value"], side["undecided"]) == (0, True)
    assert [(event["values"], event["counts"]) for event in side["events"]] == [
        ({"property('sku')": "a"}, False),
        ({"property('sku')": "b"}, None),
    ]
    bought, open_cart = (event["explanation"]["parts"][0] for event in side["events"])
    assert (bought["value"], open_cart["value"]) == (True, None)
    assert open_cart["changes_at"] == "2025-01-06T10:01:00.000Z"
    assert open_cart["would_change"] == [
        "1 more event('Order Completed').where(property('sku') = 'b') before 2025-01-06T10:01:00.000Z"
    ]
    (order,) = open_cart["sides"][0]["events"]
    assert (order["at"], order["counts"]) == ("2025-01-05T10:02:00.000Z", False)
    assert [one["value"] for one in order["explanation"]["sides"]] == ["a", "b"]


def test_what_an_audience_refers_to_is_explained_with_it(explain: Explain) -> None:
    definitions = {
        "audiences": [
            audience("buyers", "event('Order Completed').within(1 day).count() >= 1"),
            audience("vip", "trait('buyers') = true AND trait('spent') >= 100 AND trait('club') = true"),
            {"key": "club", "definition": {"external": {"external_audience_id": "seg_1"}}},
        ],
        "traits": [{"key": "spent", "query": "event('Order Completed').sum(property('total'))"}],
    }
    lines = [
        track("2025-01-05T10:00:00Z", "Order Completed", {"total": 120}, user="u1"),
        passthrough("2025-01-05T11:00:00Z", "qualify", "seg_1", ts=1736074800, identifiers={"user_id": "u1"}),
    ]

    view = only(explain(definitions, lines, "--audience", "vip"))

    assert view["by_itself"] == {"at": "2025-01-06T10:00:00.000Z", "does": "exit"}
    buyers, spent, club = (part["sides"][0] for part in view["explanation"]["parts"])
    assert (buyers["value"], buyers["told"]) == (True, "a member since 2025-01-05T10:00:00.000Z")
    assert buyers["definition"]["explanation"]["changes_at"] == "2025-01-06T10:00:00.000Z"
    assert (spent["value"], spent["definition"]["value"]["value"]) == (120, 120)
    assert club["definition"]["explanation"]["sides"][0]["told"] == "qualified at 2025-01-05T11:00:00.000Z"


def test_a_date_moves_with_the_clock(explain: Explain) -> None:
    lines = [identify("2025-01-05T10:00:00Z", {"renewal": "2025-01-20T00:00:00Z"}, user="u1")]

    view = only(explain(audiences(soon="trait('renewal').within_next(7 days)"), lines))

    assert view["by_itself"] == {"at": "2025-01-13T00:00:00.000Z", "does": "enter"}
    assert side_of(view)["value"] == "2025-01-20T00:00:00Z"
    assert view["explanation"]["changes_at"] == "2025-01-13T00:00:00.000Z"


def test_a_passthrough_segment_says_who_said_what(explain: Explain) -> None:
    """Also one without a definition, under its own id."""
    lines = [passthrough("2025-01-05T11:00:00Z", "qualify", "seg_1", ts=1736074800, identifiers={"user_id": "u1"})]

    view = only(explain({"audiences": []}, lines, "--audience", "seg_1"))

    assert (view["member"], view["explanation"]["kind"]) == (True, "segment")
    assert side_of(view)["told"] == "qualified at 2025-01-05T11:00:00.000Z"


def test_for_people_it_is_a_tree(finished: Explain) -> None:
    done = finished(FAN, VISITS, "--audience", "pricing_fan")

    assert done.returncode == 0
    lines = [line.strip(" │├└─") for line in done.stdout.decode().splitlines()]
    assert lines[2:6] == [
        "pricing_fan: not a member; transition 0, revision 1",
        "stays so if nothing comes",
        "false  event('Page Viewed').where(property('page_name') = 'Pricing').within(7 days).count() >= 3",
        "2 of 3; the next drops out at 2025-01-12T10:00:00.000Z",
    ]


# --- Mistakes -----------------------------------------------------------------------------------------------


def fault(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """Exit code and what was said, which is one line."""
    (said,) = done.stderr.decode().splitlines()
    assert done.stdout == b""
    return done.returncode, said


def test_a_key_that_is_no_audiences_is_one_line_with_the_nearest(finished: Explain) -> None:
    done = finished(FAN, VISITS, "--audience", "pricing_fen")

    assert fault(done) == (1, "there is no audience 'pricing_fen'; did you mean 'pricing_fan'?")


def test_a_computed_trait_is_no_audience(finished: Explain) -> None:
    definitions = {"traits": [{"key": "spent", "query": "event('X').sum(property('n'))"}]}

    assert fault(finished(definitions, VISITS, "--audience", "spent")) == (
        1,
        "'spent' is a computed trait, and no audience",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--profile", "user_id:nobody"), 1, "nobody has user_id:nobody"),
        (("--profile", "jane"), 2, "neither TYPE:VALUE nor a profile id"),
        (("--until", "soon"), 1, "'soon' is no ISO 8601 time"),
    ],
)
def test_a_mistake_is_one_line(finished: Explain, arguments: tuple[str, ...], code: int, words: str) -> None:
    found, said = fault(finished(FAN, VISITS, *arguments))

    assert found == code
    assert words in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--profile TYPE:VALUE is missing"),
        (("--profile", "user_id:u1", "--events", "-"), "--events needs -d"),
        (("--profile", "user_id:u1", "--until", "2025-01-01"), "--until needs --events"),
        (("--profile", "user_id:u1", "--audience", "a", "--identity"), "give one of them"),
    ],
)
def test_a_wrong_usage_is_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    code, said = fault(run("explain", *arguments))

    assert code == 2
    assert words in said


def test_redis_that_does_not_answer_is_a_missing_dependency(run: Run) -> None:
    nowhere = {"AW_REDIS_URL": "redis://127.0.0.1:1/0"}

    for command in (("explain", "--profile", "user_id:u1"), ("audiences",), ("members", "pricing_fan")):
        code, said = fault(run(*command, settings=nowhere))
        assert code == 3
        assert "Redis" in said
