import pytest

from sealed import KEY


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("EVERBAND_KEY", KEY)
