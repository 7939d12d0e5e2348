"""Where a Python worker connects to, and what it says when it cannot."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from everband.polling import connection, poll


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


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    "script",
    [
        "import everband.worker; everband.worker.run(print, task_queue='q')",
        "import everband.predictor; everband.predictor.run(print, task_queue='q')",
    ],
)
def test_one_line_when_nothing_answers(script, monkeypatch):
    says_one_line(script, monkeypatch)


def says_one_line(script, monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"no Temporal server answers at {address} (connection refused). Fix: set TEMPORAL_ADDRESS or give an address; "
        "`everband server` prints that of the embedded server\n"
    )


def test_one_line_when_the_name_means_nothing():
    with pytest.raises(SystemExit) as ended:
        poll(print, task_queue="q", slots=1, address="no-such-host.invalid:7233")
    assert str(ended.value).startswith("no Temporal server answers at no-such-host.invalid:7233 (no such host). Fix: ")
