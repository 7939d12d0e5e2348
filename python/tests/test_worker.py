from pathlib import Path

import pytest

pytest.importorskip("temporalio")

from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from everband.checkpoints import Claim, Fenced, TooManyLosses
from everband.worker import create_activity


def segment(config=None, start=0, to=3, **more):
    trial = {"id": "t", "bracket": "b0", "index": 0, "globalIndex": 0, "config": config or {}, "seed": 1}
    return {
        **{"schemaVersion": 1, "study": "s", "trial": trial, "metric": "loss", "from": start, "to": to},
        **{"training": {"maxLosses": 3, "epochTimeoutSeconds": 60, "graceSeconds": 5}},
        **{"trainer": {"type": "activity", "taskQueue": "q", "activity": "trainSegment", "settings": None}},
        **more,
    }


def train(request):
    state = int(request.checkpoint.read_text()) if request.checkpoint else 0
    for epoch in request.epochs():
        if epoch == request.config.get("crash_at"):
            raise RuntimeError("boom")
        state += epoch
        loss = float(request.config["value"]) if epoch == request.config.get("at") else state
        request.report(loss=loss, checkpoint=lambda path: path.write_text(str(state)))


def run(tmp_path: Path, message, environment=None, trainer=train):
    return (environment or ActivityEnvironment()).run(create_activity(trainer, tmp_path), message)


def test_trains_and_resumes(tmp_path: Path) -> None:
    assert run(tmp_path, segment()) == {"outcome": "completed", "values": [1, 3, 6]}
    assert run(tmp_path, segment(start=3, to=5)) == {"outcome": "completed", "values": [10, 15]}
    # Finished segments are answered without training.
    assert run(tmp_path, segment(start=3, to=5), trainer=None) == {"outcome": "completed", "values": [10, 15]}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_divergence_is_a_plain_result(tmp_path: Path, value: str) -> None:
    diverged = {"outcome": "diverged", "values": [1], "nonFinite": value}
    assert run(tmp_path, segment({"at": 2, "value": value})) == diverged
    assert run(tmp_path, segment({"at": 2, "value": value}), trainer=None) == diverged


def test_a_crash_is_a_failed_trial(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError) as caught:
        run(tmp_path, segment({"crash_at": 2}))
    assert caught.value.type == "TrialFailed" and caught.value.non_retryable
    assert "boom" in str(caught.value)


def test_cancellation_ends_after_the_epoch(tmp_path: Path) -> None:
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda details: environment.cancel() if details["epoch"] == 2 else None
    with pytest.raises(CancelledError):
        run(tmp_path, segment(to=50), environment)
    claim = Claim(tmp_path / "s" / "t", _hash(), None, 3)
    assert (claim.start, claim.values) == (2, [1, 3])


def test_refuses_another_schema(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError) as caught:
        run(tmp_path, segment(schemaVersion=2))
    assert caught.value.type == "UnsupportedSchema"


def test_falls_back_fences_and_resets(tmp_path: Path) -> None:
    run(tmp_path, segment())
    root = tmp_path / "s" / "t"
    (root / "a1" / "files" / "epoch-3").write_text("7")
    second = Claim(root, _hash(), None, 3)
    assert second.start == 2
    third = Claim(root, _hash(), 1, 3)
    assert (third.start, third.values) == (0, [])
    with pytest.raises(Fenced):
        second.publish()


def test_counts_losses(tmp_path: Path) -> None:
    for _ in range(2):
        Claim(tmp_path, "h", None, 2)
    with pytest.raises(TooManyLosses):
        Claim(tmp_path, "h", None, 2)
    Claim(tmp_path, "h", None, 2)


def _hash() -> str:
    from everband.checkpoints import config_hash

    return config_hash({}, 1, "loss")
