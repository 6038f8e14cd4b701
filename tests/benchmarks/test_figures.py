"""From samples to figures, and from figures to the page."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import many_job, report, silence
from tests.benchmarks.cluster import Received
from tests.benchmarks.events import Event
from tests.benchmarks.identity_job import Outcome as IdentityOutcome
from tests.benchmarks.identity_report import identity_section
from tests.benchmarks.identity_resolution import CACHED, MERGED, Cost, Memory
from tests.benchmarks.identity_traffic import Traffic
from tests.benchmarks.identity_turns import TURNS, Turns
from tests.benchmarks.latency import Percentiles, Sent, change_latencies_s, percentiles
from tests.benchmarks.many_audiences import SIZES
from tests.benchmarks.meter import Sample, steady
from tests.benchmarks.reference_job import Outcome as ReferenceOutcome


def test_start_up_and_the_end_do_not_count() -> None:
    starting = [Sample(at_s, (0,), cpu_s=at_s) for at_s in (0.0, 1.0, 2.0, 3.0)]
    # 1,000 events a second, 20 us each; the last hundred take ten seconds
    working = [Sample(4.0 + step / 10, (step * 100,), 3.0 + step * 0.002) for step in range(100)]
    ending = [Sample(24.0, (10_000,), 9.0)]

    found = steady([*starting, *working, *ending], before=(0,), events=10_000)

    assert found.events_per_s == pytest.approx(1_000)
    assert found.cpu_us_per_event == pytest.approx(20)


def test_reading_ahead_earns_nothing() -> None:
    """The first group rushes to the end within a second; the second one, where the work is, takes ten."""
    samples = [Sample(float(second), (10_000, second * 700), second * 0.5) for second in range(11)]

    found = steady(samples, before=(0, 0), events=10_000)

    assert found.events_per_s == pytest.approx(1_000)
    assert found.cpu_us_per_event == pytest.approx(500)


def test_what_was_done_before_does_not_count() -> None:
    samples = [Sample(float(second), (5_000 + second * 100,), second * 0.1) for second in range(11)]

    assert steady(samples, before=(5_000,), events=1_000).events_per_s == pytest.approx(100)


def test_a_drain_within_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="more events"):
        steady([Sample(0.0, (0,), 0.0), Sample(0.1, (100,), 0.1)], before=(0,), events=100)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_percentiles_are_measured_values_with_enough_below_them(durations: list[float]) -> None:
    found = percentiles(durations)

    for share, value_ms in ((0.5, found.p50_ms), (0.99, found.p99_ms), (1.0, found.worst_ms)):
        not_above = sum(duration * 1000 <= value_ms for duration in durations)
        assert value_ms in {duration * 1000 for duration in durations}
        assert not_above >= math.floor(share * len(durations))


def change(caused_by: str | None, *, reason: str = "event") -> bytes:
    told = {"audience": {"reason": reason, "caused_by": caused_by}}
    fields = {"userId": "u", "event": "Audience Entered", "timestamp": "", "sentAt": "", "context": told}
    return json.dumps(fields).encode()


def test_a_change_is_timed_from_the_first_sending_of_the_event_that_caused_it() -> None:
    sent = [Sent(Event(message_id, "u", "", 0, b""), at_s) for message_id, at_s in (("a", 1.0), ("b", 2.0), ("a", 3.0))]
    received = [
        Received(5.0, change("a")),
        Received(6.0, change("b")),
        Received(7.0, change("somebody else's")),
        Received(8.0, change(None, reason="time")),
        Received(9.0, change("b", reason="merge")),
    ]

    assert change_latencies_s(received, sent) == [4.0, 4.0]


def test_table_a_says_where_the_time_of_the_worker_goes() -> None:
    worker = ReferenceOutcome(
        events_per_s=1.0, cpu_us_per_event=1.0, peak_rss_mb=1.0, load=1.0, phases_us={"fold": 30.0, "decode": 20.0}
    )
    floor = ReferenceOutcome(events_per_s=1.0, cpu_us_per_event=2.5, peak_rss_mb=1.0, load=1.0)

    section = report.reference_section({"worker": [worker], "other": [], "floor": [floor]})

    rows = [line for line in section.splitlines() if line.startswith(("| decode", "| fold", "| all", "| floor"))]
    assert rows == [
        "| decode | 20.00 |",
        "| fold | 30.00 |",
        "| all phases | 50.0 |",
        "| floor: its CPU in all threads | 2.5 |",
    ]


def test_table_d_shows_medians_and_the_longest_turn_of_any_run() -> None:
    def run(factor: int) -> IdentityOutcome:
        return IdentityOutcome(
            costs={row: Cost(10.0 * factor, 4.0, asked=0, merged=0) for row in (CACHED, MERGED)},
            turns=Turns(
                merges=2,
                seconds={row: [0.001 * factor, 0.003 * factor] for row in TURNS},
                state_bytes=32_000,
                change_bytes=105_000.0,
            ),
            traffic=Traffic(
                alone=Percentiles(1_000, 50.0, 100.0, 200.0),
                beside=Percentiles(900, 60.0, 300.0, 400.0),
                merges_sent=1_500,
                merges=1_499,
                merges_per_s=99.5,
            ),
        )

    memory = Memory(
        profiles=1_000_000, profiles_per_s=12_000, bytes_per_profile=780, record_bytes=392, identifier_bytes=104
    )

    lines = identity_section([run(1), run(2), run(3)], memory).splitlines()

    for row in (
        f"| {MERGED} | 20.0 [10.0..30.0] | 4.0 [4.0..4.0] |",
        "| Redis: bytes per profile | 780 |",
        f"| {TURNS[0]} | 3.0 | 9.0 |",
        "| change latency p99, ms | 100.0 [100.0..100.0] | 300.0 [300.0..300.0] |",
        "| merges that came | – | 1,499 [1,499..1,499] |",
    ):
        assert row in lines


def test_table_c_has_a_column_for_each_crowd_and_shows_the_run_that_missed_most() -> None:
    def run(crowd: silence.Crowd, exits: int) -> silence.Outcome:
        late = Percentiles(exits, 900.0, 1_200.0, 1_300.0)
        return silence.Outcome(
            members=crowd.members, entries=crowd.members, exits=exits, exact=exits, sent_late=late, readable_late=late
        )

    outcomes = {
        silence.AT_ONCE: [run(silence.AT_ONCE, 2_000), run(silence.AT_ONCE, 1_999)],
        silence.IN_A_MINUTE: [run(silence.IN_A_MINUTE, 100_000)],
    }

    lines = report.silence_section(outcomes).splitlines()

    assert "|  | 2,000 in one millisecond | 100,000 within 60 seconds |" in lines
    assert "| exits that came | 1,999 of 2,000 | 100,000 of 100,000 |" in lines
    assert "| runs | 2 | 1 |" in lines


def test_table_e_has_a_row_for_each_set_of_audiences() -> None:
    def run(factor: int) -> many_job.Outcome:
        return many_job.Outcome(
            events_per_s=1_000.0 * factor,
            cpu_us_per_event=100.0,
            redis_cpu_us_per_event=20.0,
            changes_per_event=0.05,
            state_bytes_per_profile=700.0,
            load=1.0,
        )

    text = report.audiences_section([{size: run(factor) for size in SIZES} for factor in (1, 2, 3)])

    row = "| 2,000 [1,000..3,000] | 100.0 [100.0..100.0] | 20.0 [20.0..20.0] | 700 [700..700] | 0.050 [0.050..0.050] |"
    assert [line.split(row)[0] for line in text.splitlines() if row in line] == [
        "| 1 | 1 ",
        "| 10 | 10 ",
        "| 100 | 10 ",
        "| 1,000 | 10 ",
        "| 1,000 | 100 ",
    ]


def test_a_spread_shows_the_median_and_the_extremes() -> None:
    assert report.spread([33_100.2, 34_000, 32_000]) == "33,100 [32,000..34,000]"
    assert report.spread([1.26], digits=1) == "1.3"
    assert report.spread([]) == "–"


def test_only_what_is_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")

    report.write_page("new", page=page)

    text = page.read_text(encoding="utf-8")
    assert text == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"


@pytest.mark.parametrize(
    "text", ["no markers", report.BEGIN, f"{report.END}{report.BEGIN}", f"{report.BEGIN}{report.END}" * 2]
)
def test_a_page_without_one_pair_of_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match="once each"):
        report.write_page("new", page=page)

    assert page.read_text(encoding="utf-8") == text
