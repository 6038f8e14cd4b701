"""URLs of one server and of a cluster."""

import pytest

from worker.errors import InputError
from worker.redis_url import is_cluster, node_urls, url_at
from worker.settings import load_settings


def test_a_server_is_named_by_its_own_url() -> None:
    assert node_urls("rediss://u:p@h:1/2?x=1") == ["rediss://u:p@h:1/2?x=1"]
    assert not is_cluster("rediss://h")


def test_nodes_of_a_cluster_share_user_password_and_options() -> None:
    url = "rediss+cluster://u:p%40%2C@one:1,two:2,[::1]:3/0?ssl_ca_certs=x"
    assert is_cluster(url)
    assert node_urls(url) == [
        "rediss://u:p%40%2C@one:1/0?ssl_ca_certs=x",
        "rediss://u:p%40%2C@two:2/0?ssl_ca_certs=x",
        "rediss://u:p%40%2C@[::1]:3/0?ssl_ca_certs=x",
    ]
    assert url_at(node_urls(url)[0], "::2", 4) == "rediss://u:p%40%2C@[::2]:4/0?ssl_ca_certs=x"


def test_a_cluster_is_shown_without_its_password() -> None:
    shown = load_settings({"AW_REDIS_URL": "redis+cluster://u:secret@one:1,two:2"}).shown()
    assert shown["AW_REDIS_URL"] == "redis+cluster://***@one:1,two:2"


@pytest.mark.parametrize(
    "url", ["redis+cluster://:secret@one:x,two:2", "redis+cluster://:secret@one:1,", "secret+cluster://h"]
)
def test_a_node_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match=r"^AW_REDIS_URL: must be a URL") as raised:
        load_settings({"AW_REDIS_URL": url})
    assert "secret" not in str(raised.value)
