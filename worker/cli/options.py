"""From settings, which users write, to options, which the engine takes."""

from worker.cli.assembly import Options
from worker.identity.rules import Caps
from worker.settings import Settings

HOUR_MS = 3_600_000

HORIZON_MIN_MS = 60_000
HORIZON_TRANSACTIONS = 4
"""In half of the horizon a batch begins to log what it has committed; then its transaction may last as long as it may,
and a broker takes its time to end one; the rest is what Redis may lose."""


def caps_of(settings: Settings) -> Caps:
    """What one profile may grow to."""
    return Caps(merges_max=settings.identity_merges_max, mappings_max=settings.identity_mappings_max)


def options_of(settings: Settings) -> Options:
    """Units: hours and seconds of the settings become milliseconds."""
    return Options(
        space_id=settings.space_id,
        topic_prefix=settings.topic_prefix,
        require_external_definition=settings.require_external_definition,
        identity_caps=caps_of(settings),
        dedup_window_ms=settings.dedup_window_hours * HOUR_MS,
        batch_records=settings.batch_records_max,
        ticks_max=settings.timer_scan_profiles_max,
        cached_identifiers=settings.identity_cache_entries,
        cached_profiles=settings.state_cache_profiles,
        scan_interval_ms=settings.timer_scan_interval_ms,
        progress_interval_ms=settings.progress_interval_ms,
        clock_margin_ms=settings.clock_skew_max_ms,
        hold_max_ms=settings.exit_hold_max_s * 1000,
        keep_writes=settings.redis_durability == "wait",
        restore_horizon_ms=max(HORIZON_MIN_MS, HORIZON_TRANSACTIONS * settings.transaction_timeout_ms),
    )
