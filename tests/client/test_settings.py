"""Settings: from arguments, from the environment, and what is refused."""

import pytest

from bigin_client import Settings
from bigin_client.errors import SettingsError

VARIABLES = [
    "MATON_API_KEY",
    "MATON_API_BASE_URL",
    "BIGIN_CONNECTION_ID",
    "BIGIN_REQUESTS_PER_SECOND",
    "BIGIN_RATE_LIMIT_STORE",
    "BIGIN_MAX_CONCURRENCY",
]


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_defaults():
    settings = Settings(api_key="k")
    assert settings.base_url == "https://api.maton.ai"
    assert settings.requests_per_second == 9
    assert settings.max_concurrency == 5
    assert settings.request_timeout == 30
    assert settings.max_wait == 300
    assert settings.connection_id is None


def test_the_environment_fills_what_is_not_given(monkeypatch):
    monkeypatch.setenv("MATON_API_KEY", "from-env")
    monkeypatch.setenv("MATON_API_BASE_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("BIGIN_CONNECTION_ID", "c1")
    monkeypatch.setenv("BIGIN_REQUESTS_PER_SECOND", "2.5")
    monkeypatch.setenv("BIGIN_RATE_LIMIT_STORE", "memory")
    monkeypatch.setenv("BIGIN_MAX_CONCURRENCY", "3")
    settings = Settings.from_env()
    assert settings.api_key == "from-env"
    assert settings.base_url == "http://127.0.0.1:1"
    assert settings.connection_id == "c1"
    assert settings.requests_per_second == 2.5
    assert settings.rate_limit_store == "memory"
    assert settings.max_concurrency == 3
    assert Settings(requests_per_second=1).requests_per_second == 1


def test_the_connection_of_the_environment_goes_with_its_key_only(monkeypatch):
    monkeypatch.setenv("BIGIN_CONNECTION_ID", "c1")
    settings = Settings(api_key="another")
    assert settings.connection_id is None
    assert settings.unused_connection_id == "c1"


def test_the_key_can_come_from_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text("secret\n")
    assert Settings(api_key_file=str(file)).api_key == "secret"
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings(api_key_file=str(tmp_path / "none"))


def test_no_key_says_how_to_give_one():
    with pytest.raises(SettingsError, match="MATON_API_KEY"):
        Settings()


@pytest.mark.parametrize("key", ["***", "a b", "zwölf", "a\nb"])
def test_a_key_that_is_none(key):
    """A masked form, or a file with more than the key in it."""
    with pytest.raises(SettingsError, match="characters that no key has"):
        Settings(api_key=key)


def test_the_key_is_in_no_repr():
    assert "secret-key" not in repr(Settings(api_key="secret-key"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base_url": "http://gateway.example"}, "in clear"),
        ({"base_url": "ftp://gateway.example"}, "not an http"),
        ({"base_url": "https://user:pw@gateway.example"}, "scheme, host and path"),
        ({"requests_per_second": 0}, "above 0"),
        ({"requests_per_second": -1}, "negative"),
        ({"requests_per_second": float("nan")}, "negative"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"request_timeout": 0}, "request_timeout"),
        ({"max_wait": "long"}, "max_wait"),
        ({"max_credits": -5}, "max_credits"),
        ({"connection_id": "a b"}, "connection_id"),
    ],
)
def test_what_cannot_work_is_refused(values, said):
    with pytest.raises(SettingsError, match=said):
        Settings(api_key="k", **values)
    with pytest.raises(ValueError, match=said):
        Settings(api_key="k", **values)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_plain_http_and_no_pacing_are_for_loopback(host):
    settings = Settings(api_key="k", base_url=f"http://{host}:80", requests_per_second=0)
    assert settings.is_loopback


def test_plain_http_elsewhere_must_be_asked_for():
    assert Settings(api_key="k", base_url="http://gw.example", allow_http=True)


def test_a_bad_number_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("BIGIN_REQUESTS_PER_SECOND", "fast")
    with pytest.raises(SettingsError, match="BIGIN_REQUESTS_PER_SECOND is not a number"):
        Settings(api_key="k")


def test_a_mapping_may_hold_other_things():
    settings = Settings.from_mapping(
        {"api_key": "k", "start_date": "2026-01-01", "max_wait": None, "base_url": ""}
    )
    assert settings.max_wait == 300
