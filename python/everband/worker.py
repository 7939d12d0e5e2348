"""A Temporal worker that trains in Python, for studies whose trainer is `{type: activity, taskQueue: ...}`.

    import everband.worker

    def train(request):
        model = build(request.config, request.checkpoint)
        for epoch in request.epochs():
            request.report(loss=train_one_epoch(model), checkpoint=model.save)

    everband.worker.run(train, task_queue="gpu", state_dir="checkpoints")

Needs the package `temporalio`.
"""

from __future__ import annotations

import contextvars
import math
import re
import threading
import traceback
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from .checkpoints import Claim, Fenced, TooManyLosses, config_hash
from .polling import poll
from .request import Request

Train = Callable[[Request], Any]


class _ActivityRequest(Request):
    """A request that came as an activity."""

    def __init__(self, message: Mapping[str, Any], claim: Claim, beat: _Beat) -> None:
        super().__init__(message)
        self._claim = claim
        self._beat = beat

    @property
    def stopping(self) -> bool:
        return activity.is_cancelled()

    def _send(self, epoch: int, values: Mapping[str, float], checkpoint: Optional[str]) -> None:
        value = values[self.metric]
        if not math.isfinite(value):
            if epoch <= len(self._claim.values):
                raise ApplicationError(
                    f"epoch {epoch} was {self._claim.values[epoch - 1]} in an earlier attempt and is {value} now",
                    type="TrialFailed",
                    non_retryable=True,
                )
            self._claim.record_divergence("nan" if math.isnan(value) else "inf" if value > 0 else "-inf")
            return
        self._claim.record(epoch, value, checkpoint)
        self._beat.report(epoch, value)


class _Beat:
    """Heartbeats every second from a thread: an epoch may be longer than the heartbeat timeout.

    Stops when no epoch has ended for `epoch_timeout` seconds, so that a hung trainer does not look alive.
    """

    def __init__(self, trial: str, epoch: int, epoch_timeout: float) -> None:
        self._details: dict[str, Any] = {"trial": trial, "epoch": epoch, "value": None}
        self._left = self._epoch_timeout = epoch_timeout
        self._over = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=lambda: context.run(self._run), daemon=True)

    def report(self, epoch: int, value: float) -> None:
        self._details = {**self._details, "epoch": epoch, "value": value}
        self._left = self._epoch_timeout
        activity.heartbeat(self._details)

    def __enter__(self) -> _Beat:
        activity.heartbeat(self._details)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            self._left -= 1.0
            if self._left > 0:
                activity.heartbeat(self._details)


def create_activity(train: Train, state_dir: Union[str, Path], name: str = "trainSegment") -> Callable[[Any], Any]:
    """The activity, for a worker of your own; synchronous, so that worker needs an `activity_executor`."""
    root = Path(state_dir).resolve()

    @activity.defn(name=name, no_thread_cancel_exception=True)
    def train_segment(segment: Any) -> Any:
        _check(segment)
        trial, start, to = segment["trial"], segment["from"], segment["to"]
        folder = root / segment["study"] / trial["id"]
        digest = config_hash(trial["config"], trial["seed"], segment["metric"])
        training = segment["training"]
        try:
            claim = Claim(folder, digest, segment.get("reset"), training["maxLosses"])
        except TooManyLosses as error:
            raise _trial_failed(f"trial {trial['id']} {error}") from None
        answer = _answer(claim, start, to)
        if answer is not None:
            claim.release()
            return answer
        message = {
            **{"study": segment["study"], "trial": trial["id"], "config": trial["config"], "seed": trial["seed"]},
            **{"metric": segment["metric"], "from": claim.start, "to": to},
            **{"checkpoint": claim.checkpoint, "checkpointDir": claim.files},
        }
        with _Beat(trial["id"], start, training["epochTimeoutSeconds"]) as beat:
            request = _ActivityRequest(message, claim, beat)
            try:
                train(request)
            except Fenced as error:
                raise ApplicationError(str(error), type="Fenced") from None
            except Exception as error:
                claim.release()
                if activity.is_cancelled():
                    raise CancelledError("stopped while training") from error
                tail = "\n".join(traceback.format_exc().splitlines()[-20:])
                raise _trial_failed(f"{type(error).__name__}: {error}\n{tail}") from error
        claim.release()
        answer = _answer(claim, start, to)
        if answer is not None:
            return answer
        if activity.is_cancelled():
            raise CancelledError("stopped after the epoch")
        raise _trial_failed(f"train returned after epoch {request.epoch}, asked for epoch {to}")

    return train_segment


def run(
    train: Train,
    *,
    task_queue: str,
    state_dir: Union[str, Path] = ".everband-python",
    address: Optional[str] = None,
    namespace: Optional[str] = None,
    slots: int = 1,
) -> None:
    """Polls `task_queue` and trains until the process is told to end, `slots` trials at a time.

    `state_dir` holds the checkpoints: every worker of the task queue must see the same folder. The server is the one
    Temporal's environment variables and profile name (TEMPORAL_ADDRESS, TLS, API key ...), or `address`.
    """
    poll(create_activity(train, state_dir), task_queue=task_queue, slots=slots, address=address, namespace=namespace)


def _check(segment: Any) -> None:
    version = segment.get("schemaVersion")
    if version != 1:
        message = f"this worker reads schemaVersion 1, the request has {version!r}"
        raise ApplicationError(message, type="UnsupportedSchema", non_retryable=True)
    for name in (segment["study"], segment["trial"]["id"]):
        # Both become folder names.
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise ApplicationError(f"{name!r} cannot be a name", type="InvalidStudy", non_retryable=True)


def _answer(claim: Claim, start: int, to: int) -> Optional[dict[str, Any]]:
    if len(claim.values) >= to:
        return {"outcome": "completed", "values": claim.values[start:to]}
    if claim.non_finite is not None:
        return {"outcome": "diverged", "values": claim.values[start:], "nonFinite": claim.non_finite}
    return None


def _trial_failed(message: str) -> ApplicationError:
    return ApplicationError(message, type="TrialFailed", non_retryable=True)
