import os
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("temporalio")

from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from everband.checkpoints import Claim, Fenced, TooManyLosses
from everband.processes import Trainers
from everband.worker import create_activity

TRAINER = """
import os, subprocess, sys, time
import everband

for request in everband.requests():
    config = request.config
    state = int(request.checkpoint.read_text()) if request.checkpoint else 0
    for epoch in request.epochs():
        print("epoch", epoch)
        if epoch == config.get("crash_at"):
            raise RuntimeError("boom")
        if epoch == config.get("hang_at"):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            with open(config["pids"], "w") as file:
                file.write(f"{os.getpid()} {child.pid}")
            time.sleep(60)
        time.sleep(config.get("seconds", 0))
        state += epoch
        loss = float(config["value"]) if epoch == config.get("at") else state
        request.report(loss=loss, checkpoint=lambda path: path.write_text(str(state)))
    time.sleep(config.get("linger", 0))
"""


def segment(config=None, start=0, to=3, training=None, **more):
    trial = {"id": "t", "bracket": "b0", "index": 0, "globalIndex": 0, "config": config or {}, "seed": 1}
    return {
        **{"schemaVersion": 1, "study": "s", "trial": trial, "metric": "loss", "from": start, "to": to},
        **{"training": {"maxLosses": 3, "epochTimeoutSeconds": 60, "graceSeconds": 5, **(training or {})}},
        **{"trainer": {"type": "activity", "taskQueue": "q", "activity": "trainSegment", "settings": None}},
        **more,
    }


@pytest.fixture
def trainers(tmp_path: Path, monkeypatch):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    with Trainers([sys.executable, str(script)]) as trainers:
        yield trainers


@pytest.fixture
def run(tmp_path: Path, trainers):
    def run(message, environment=None):
        return (environment or ActivityEnvironment()).run(create_activity(trainers, tmp_path / "state"), message)

    return run


def claim_of(tmp_path: Path, config=None) -> Claim:
    from everband.checkpoints import config_hash

    return Claim(tmp_path / "state" / "s" / "t", config_hash(config or {}, 1, "loss"), None, 3)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Without a parent that asks for it, a killed process stays in the table.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_trains_and_resumes(run, trainers) -> None:
    assert run(segment()) == {"outcome": "completed", "values": [1, 3, 6]}
    (kept,) = trainers._idle
    assert run(segment(start=3, to=5)) == {"outcome": "completed", "values": [10, 15]}
    assert trainers._idle == [kept]
    # Finished segments are answered without training.
    kept.kill()
    assert run(segment(start=3, to=5)) == {"outcome": "completed", "values": [10, 15]}


def test_an_idle_trainer_that_has_gone_is_replaced(run, trainers) -> None:
    run(segment())
    trainers._idle[0].kill()
    assert run(segment(start=3, to=4)) == {"outcome": "completed", "values": [10]}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_divergence_is_a_plain_result(run, value: str) -> None:
    diverged = {"outcome": "diverged", "values": [1], "nonFinite": value}
    assert run(segment({"at": 2, "value": value})) == diverged
    assert run(segment({"at": 2, "value": value})) == diverged


def test_a_crash_is_a_failed_trial(run, trainers) -> None:
    with pytest.raises(ApplicationError) as caught:
        run(segment({"crash_at": 2}))
    assert caught.value.type == "TrialFailed" and caught.value.non_retryable
    assert str(caught.value).startswith(
        "TrialFailed: the trainer ended with exit code 1 after epoch 1, asked for epochs 1 to 3\n"
    )
    assert "epoch 2" in str(caught.value) and "RuntimeError: boom" in str(caught.value)
    assert trainers._idle == []


def test_a_hang_is_a_failed_trial_and_ends_with_all_its_processes(run, tmp_path: Path) -> None:
    config = {"hang_at": 2, "pids": str(tmp_path / "pids")}
    since = time.monotonic()
    with pytest.raises(ApplicationError) as caught:
        run(segment(config, training={"epochTimeoutSeconds": 2}))
    assert 2 <= time.monotonic() - since < 6
    assert caught.value.type == "TrialFailed" and caught.value.non_retryable
    assert str(caught.value).startswith("TrialFailed: hung: no epoch within 2 s after epoch 1\n")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2 and all(gone(pid) for pid in pids)
    # An orderly end, no lost worker, and the next attempt goes on from epoch 1.
    claim = claim_of(tmp_path, config)
    assert (tmp_path / "state" / "s" / "t" / "a1" / "released").exists()
    assert (claim.start, claim.values) == (1, [1])


def test_a_trainer_that_goes_on_after_its_last_epoch_is_not_waited_for(run, trainers) -> None:
    since = time.monotonic()
    assert run(segment({"linger": 60}, training={"graceSeconds": 1}))["outcome"] == "completed"
    assert time.monotonic() - since < 5 and trainers._idle == []


def test_cancellation_ends_after_the_epoch(run, tmp_path: Path) -> None:
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda details: environment.cancel() if details["epoch"] == 2 else None
    with pytest.raises(CancelledError):
        run(segment({"seconds": 0.3}, to=50), environment)
    claim = claim_of(tmp_path, {"seconds": 0.3})
    assert claim.start == len(claim.values) == 3
    assert (tmp_path / "state" / "s" / "t" / "a1" / "released").exists()


def test_who_does_not_stop_within_the_grace_is_killed(run, tmp_path: Path) -> None:
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda details: environment.cancel() if details["epoch"] == 1 else None
    config = {"hang_at": 2, "pids": str(tmp_path / "pids")}
    with pytest.raises(CancelledError):
        run(segment(config, training={"graceSeconds": 1}), environment)
    pids = (tmp_path / "pids").read_text().split()
    assert all(gone(int(pid)) for pid in pids)


def test_a_shutdown_is_no_cancellation(run) -> None:
    # Which would end the trial: another worker is to go on.
    environment = ActivityEnvironment()
    shutdown = ActivityCancellationDetails(worker_shutdown=True)
    environment.on_heartbeat = lambda details: environment.cancel(shutdown) if details["epoch"] == 1 else None
    with pytest.raises(ApplicationError) as caught:
        run(segment({"seconds": 0.3}, to=50), environment)
    assert (caught.value.type, caught.value.non_retryable) == ("WorkerShutdown", False)


def test_an_attempt_that_was_overtaken_ends(run, tmp_path: Path) -> None:
    config = {"hang_at": 2, "pids": str(tmp_path / "pids")}
    newer = threading.Timer(1.5, lambda: claim_of(tmp_path, config))
    newer.start()
    with pytest.raises(ApplicationError) as caught:
        run(segment(config))
    assert (caught.value.type, caught.value.non_retryable) == ("Fenced", False)
    newer.join()


def test_refuses_another_schema(run) -> None:
    with pytest.raises(ApplicationError) as caught:
        run(segment(schemaVersion=2))
    assert caught.value.type == "UnsupportedSchema"


def test_falls_back_fences_and_resets(run, tmp_path: Path) -> None:
    run(segment())
    root = tmp_path / "state" / "s" / "t"
    (root / "a1" / "files" / "epoch-3").write_text("7")
    second = claim_of(tmp_path)
    assert second.start == 2
    third = Claim(root, second.config_hash, 1, 3)
    assert (third.start, third.values) == (0, [])
    with pytest.raises(Fenced):
        second.publish()


def test_counts_losses(tmp_path: Path) -> None:
    for _ in range(2):
        Claim(tmp_path, "h", None, 2)
    with pytest.raises(TooManyLosses):
        Claim(tmp_path, "h", None, 2)
    Claim(tmp_path, "h", None, 2)
