"""Settings: what is read from where, and what a fault says."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.settings import FORBIDDEN_KAFKA_PROPERTIES, Settings, load_settings, variable

VARIABLES = [variable(field) for field in Settings.model_fields if field != "kafka"]


def faults(**environ: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        load_settings(environ)
    return caught.value.faults


def test_without_any_variable_the_defaults_hold() -> None:
    assert load_settings({}) == Settings()
    assert load_settings({"PATH": "/bin", "AWK": "gawk"}) == Settings()
    assert load_settings({}).roles == ("route", "fold")
    assert load_settings({}).redis_url.get_secret_value() == "redis://localhost:6379/0"


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("AW_SPACE_ID=of-the-file\nAW_LOG_FORMAT=console\nOTHER_PROGRAM=1\n")

    loaded = load_settings({"AW_SPACE_ID": "of-the-environment"}, env_file=env_file)

    assert (loaded.space_id, loaded.log_format) == ("of-the-environment", "console")


def test_a_process_reads_its_environment_and_the_file_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("AW_SPACE_ID=of-the-file\n")
    for name in [name for name in os.environ if name.upper().startswith("AW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AW_LOG_FORMAT", "console")
    monkeypatch.chdir(tmp_path)

    assert (load_settings().space_id, load_settings().log_format) == ("of-the-file", "console")
    assert load_settings({}) == Settings()


def test_an_empty_value_counts_as_not_set() -> None:
    assert load_settings({"AW_INSTANCE_ID": "", "AW_BATCH_RECORDS_MAX": ""}) == Settings()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("fold", ("fold",)), ("route", ("route",)), (" fold , route ", ("route", "fold")), ("fold,", ("fold",))],
)
def test_roles_are_one_or_both(written: str, meant: tuple[str, ...]) -> None:
    assert load_settings({"AW_ROLES": written}).roles == meant


@pytest.mark.parametrize("written", ["fuld", "route;fold", ",", "route,fold,scan"])
def test_other_roles_are_a_fault(written: str) -> None:
    assert faults(AW_ROLES=written) == (f"AW_ROLES: must be route, fold or both separated by a comma, not {written!r}",)


def test_all_faults_are_told_at_once_one_line_each() -> None:
    told = faults(AW_BATCH_RECORDS_MAX="0", AW_LOG_FORMAT="xml", AW_SPACE_ID="no{braces}", AW_SPACEID="x")

    assert [fault.partition(":")[0].partition(" ")[0] for fault in told] == [
        "AW_SPACEID",
        "AW_SPACE_ID",
        "AW_BATCH_RECORDS_MAX",
        "AW_LOG_FORMAT",
    ]
    assert not any("\n" in fault for fault in told)
    assert "(it is '0')" in told[2]


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("AW_REDISURL", "AW_REDIS_URL"),
        ("AW_KAFKA_BOOTSTRAP_SERVER", "AW_KAFKA_BOOTSTRAP_SERVERS"),
        ("AW_DEDUP_WINDOW_HOUR", "AW_DEDUP_WINDOW_HOURS"),
        ("aw_fanout", "AW_FANOUT"),
    ],
)
def test_an_unknown_name_is_a_fault_that_suggests_the_nearest(wrong: str, nearest: str) -> None:
    assert faults(**{wrong: "profile"}) == (f"{wrong} is not a setting; did you mean {nearest}?",)


def test_an_unknown_name_in_the_file_is_a_fault_too(tmp_path: Path) -> None:
    env_file = tmp_path / "worker.env"
    env_file.write_text("AW_NOTHING_LIKE_ANY=1\n")

    with pytest.raises(InputError, match=r"^AW_NOTHING_LIKE_ANY is not a setting$"):
        load_settings({}, env_file=env_file)


def test_any_librdkafka_property_can_be_set() -> None:
    given = {
        "AW_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "AW_KAFKA__SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": "https://idp/token",
    }

    assert load_settings(given).kafka_properties() == {
        "security.protocol": "SASL_SSL",
        "sasl.oauthbearer.token.endpoint.url": "https://idp/token",
    }


@pytest.mark.parametrize("name", sorted(FORBIDDEN_KAFKA_PROPERTIES))
def test_a_property_that_exactly_once_depends_on_is_a_fault(name: str) -> None:
    (fault,) = faults(**{f"AW_KAFKA__{name.upper().replace('.', '_')}": "1"})

    assert name in fault
    assert FORBIDDEN_KAFKA_PROPERTIES[name] in fault


@given(
    secret=st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=8, max_size=20).map(
        lambda text: f"s3cr3t{text}"
    ),
    url=st.sampled_from(
        [
            "redis://u:{}@h:1/0",
            "redis://h/0?password={}",
            "htp://{}@h",
            "redis://u:{}@h:port",
            "redis://{}@:0",
        ]
    ),
    name=st.sampled_from(["AW_REDIS_URL", "AW_SCHEMA_REGISTRY_URL", "AW_KAFKA__SASL_PASSWORD", "AW_KAFKA__ACKS"]),
)
def test_a_secret_is_never_shown(secret: str, url: str, name: str) -> None:
    """Right or wrong, in a fault, in the representation or in what is shown of the settings."""
    try:
        loaded = load_settings({name: url.format(secret)})
        said = f"{loaded!r} {loaded} {loaded.shown()}"
    except InputError as error:
        said = f"{error!r} {error.__cause__!r}"

    assert secret not in said


def test_what_is_shown_names_every_setting_and_keeps_what_is_harmless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {
        "AW_REDIS_URL": "rediss://worker:pw@redis.internal:6380/2",
        "AW_KAFKA__SECURITY_PROTOCOL": "SSL",
        "AW_KAFKA__SSL_KEY_PASSWORD": "pw",
    }

    shown = load_settings(given).shown()

    assert set(shown) == {*VARIABLES, "AW_KAFKA__SECURITY_PROTOCOL", "AW_KAFKA__SSL_KEY_PASSWORD"}
    assert shown["AW_REDIS_URL"] == "rediss://***@redis.internal:6380/2"
    assert shown["AW_KAFKA__SECURITY_PROTOCOL"] == "SSL"
    assert shown["AW_KAFKA__SSL_KEY_PASSWORD"] == "***"  # noqa: S105 - the point is that it is none
    assert shown["AW_RESYNC_ON_NEW_IDENTIFIER"] == "false"
    assert shown["AW_ROLES"] == "route,fold"


@pytest.mark.parametrize("port", ["8080", "9000"])
def test_a_port_that_is_named_is_the_only_one_tried(port: str) -> None:
    assert list(load_settings({"AW_HTTP_PORT": port}).http_ports()) == [int(port)]


def test_the_default_port_has_neighbours_and_zero_means_none() -> None:
    assert load_settings({}).http_ports() == range(8080, 8100)
    assert not load_settings({"AW_HTTP_PORT": "0"}).http_ports()


def test_every_setting_says_why() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("AW_FANOUT", "identifiers"), ("AW_RESYNC_ON_NEW_IDENTIFIER", "true")],
)
def test_what_is_agreed_and_not_built_yet_is_refused(name: str, value: str) -> None:
    """Somebody who asks for it must not believe that he has it."""
    with pytest.raises(InputError, match=f"^{name}: .*is not there yet"):
        load_settings({name: value})
