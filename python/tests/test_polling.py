"""Where a Python worker connects to."""

import pytest
from everband.polling import connection


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


def test_this_machine_when_nothing_is_said():
    assert connection(None, None)["target_host"] == "localhost:7233"


def test_temporals_own_conventions(monkeypatch, tmp_path):
    (tmp_path / "temporal.toml").write_text(
        '[profile.cloud]\naddress = "ours.example:7233"\nnamespace = "ours"\napi_key = "from the profile"\n'
    )
    monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
    found = connection(None, None)
    assert (found["target_host"], found["namespace"]) == ("ours.example:7233", "ours")
    assert found["api_key"] == "from the profile"
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere.example:7233")
    assert connection(None, None)["target_host"] == "elsewhere.example:7233"


def test_what_is_given_comes_first(monkeypatch):
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere.example:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "ours")
    found = connection("here.example:1", "mine")
    assert (found["target_host"], found["namespace"]) == ("here.example:1", "mine")
