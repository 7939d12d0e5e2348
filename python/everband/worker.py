"""A Temporal worker that trains in Python, for studies whose trainer is `{type: activity, taskQueue: ...}`.

    import everband.worker

    def train(request):
        model = build(request.config, request.checkpoint)
        for epoch in request.epochs():
            request.report(loss=train_one_epoch(model), checkpoint=model.save)

    everband.worker.run(train, task_queue="gpu", state_dir="checkpoints")

`run` starts the script again, once per slot, and in those processes it trains: a trainer that hangs can be killed, which
a thread cannot, and one that crashes takes no other along.

Needs the package `temporalio`.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Mapping, NoReturn, Optional, Union

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from . import requests
from .beat import Beat
from .checkpoints import Claim, Fenced, TooManyLosses, config_hash
from .polling import poll
from .processes import LIFELINE, TrainerProcess, Trainers, end_with_worker
from .request import Request

Train = Callable[[Request], Any]

#: Where the script was started: its name may be relative to that.
_STARTED_IN = os.getcwd()

#: Seconds that a trainer may take after its last epoch to say that it takes another request.
_READY_SECONDS = 1.0


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
    Temporal's environment variables and profile name (TEMPORAL_ADDRESS, TLS, API key ...), or `address`. What the script
    does before `run` happens in every slot too, and `train` is called in the main thread.
    """
    if multiprocessing.parent_process() is not None:
        raise RuntimeError('a script that starts processes needs everband.worker.run() under if __name__ == "__main__"')
    if LIFELINE in os.environ:
        _train_here(train)
    if getattr(sys.modules["__main__"], "__file__", None) is None and "-c" not in sys.orig_argv:
        raise RuntimeError("everband.worker.run() starts its script again for every slot: put it into a file")
    with Trainers([sys.executable, *sys.orig_argv[1:]], _STARTED_IN) as trainers:
        train_segment = create_activity(trainers, state_dir)
        poll(train_segment, task_queue=task_queue, slots=slots, address=address, namespace=namespace)


def _train_here(train: Train) -> NoReturn:
    """The life of a slot's process; never goes back to a script that would start another worker."""
    end_with_worker()
    try:
        for request in requests():
            train(request)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    sys.exit(0)


def create_activity(trainers: Trainers, state_dir: Union[str, Path], name: str = "trainSegment") -> Callable[[Any], Any]:
    """The activity, for a worker of your own; synchronous, so that worker needs an `activity_executor`.

    `Trainers([sys.executable, "trainer.py"])` starts a script that goes through `everband.requests()`.
    """
    root = Path(state_dir).resolve()

    @activity.defn(name=name, no_thread_cancel_exception=True)
    def train_segment(segment: Any) -> Any:
        _check(segment)
        trial, start, to = segment["trial"], segment["from"], segment["to"]
        folder = root / segment["study"] / trial["id"]
        digest = config_hash(trial["config"], trial["seed"], segment["metric"])
        try:
            claim = Claim(folder, digest, segment.get("reset"), segment["training"]["maxLosses"])
        except TooManyLosses as error:
            raise _trial_failed(f"trial {trial['id']} {error}") from None
        answer = _answer(claim, start, to)
        if answer is None:
            with Beat({"trial": trial["id"], "epoch": start, "value": None}) as beat:
                _Attempt(segment, claim, beat).run(trainers)
            answer = _answer(claim, start, to)
        if answer is None:
            raise _stopped()
        claim.release()
        return answer

    return train_segment


class _Attempt:
    """One request to one trainer: sends it, takes its epochs, watches the clock."""

    def __init__(self, segment: Mapping[str, Any], claim: Claim, beat: Beat) -> None:
        trial = segment["trial"]
        self._metric: str = segment["metric"]
        self._to: int = segment["to"]
        self._epoch_timeout: float = segment["training"]["epochTimeoutSeconds"]
        self._grace: float = segment["training"]["graceSeconds"]
        self._claim = claim
        self._beat = beat
        self._epoch = claim.start
        self._diverged = False
        self._message = {
            **{"everband": 1, "study": segment["study"], "trial": trial["id"], "config": trial["config"]},
            **{"seed": trial["seed"], "metric": self._metric, "from": claim.start, "to": self._to},
            **{"checkpoint": str(claim.checkpoint) if claim.checkpoint else None, "checkpointDir": str(claim.files)},
        }

    def run(self, trainers: Trainers) -> None:
        """Trains until the claim has everything, or until a trainer that was told to stop has ended."""
        trainer = trainers.acquire()
        kept = False
        try:
            self._follow(trainer)
            kept = self._settle(trainer)
        except Fenced as error:
            raise ApplicationError(str(error), type="Fenced") from None
        except ApplicationError as error:
            trainer.kill()
            self._claim.release()
            print(f"trial {self._message['trial']}: {error.message.splitlines()[0]}", file=sys.stderr, flush=True)
            raise
        finally:
            if kept:
                trainers.release(trainer)
            else:
                trainer.kill()

    def _follow(self, trainer: TrainerProcess) -> None:
        trainer.send(self._message)
        #: When a hung trainer is given up, and when one that was told to stop is.
        deadline = time.monotonic() + self._epoch_timeout
        kill_at: Optional[float] = None
        while not self._done:
            if activity.is_cancelled() and kill_at is None:
                if _given_up():
                    raise Fenced("the server has given this attempt up")
                trainer.interrupt()
                kill_at = time.monotonic() + self._grace
            message = trainer.receive(0.2)
            now = time.monotonic()
            if message is not None:
                self._take(message)
                deadline = time.monotonic() + self._epoch_timeout
            elif self._claim.fenced:
                raise Fenced(f"attempt {self._claim.number} was overtaken by a newer one")
            elif kill_at is not None:
                if now >= kill_at or not trainer.alive:
                    self._claim.release()
                    return
            elif not trainer.alive:
                asked = f"asked for epochs {self._claim.start + 1} to {self._to}"
                raise _trial_failed(f"the trainer {trainer.ending} after epoch {self._epoch}, {asked}", trainer.tail)
            elif now >= deadline:
                hung = f"hung: no epoch within {self._epoch_timeout:g} s after epoch {self._epoch}"
                raise _trial_failed(hung, trainer.tail)

    @property
    def _done(self) -> bool:
        return self._diverged or self._epoch >= self._to

    def _take(self, message: Mapping[str, Any]) -> None:
        epoch = self._epoch + 1
        if message.get("epoch") != epoch or self._metric not in message:
            raise _trial_failed(f"the trainer said {message}, expected {self._metric} of epoch {epoch}")
        value = message[self._metric]
        value = math.nan if value is None else float(value)
        if math.isfinite(value):
            try:
                self._claim.record(epoch, value, message.get("checkpoint"))
            except OSError as error:
                raise _trial_failed(f"the checkpoint of epoch {epoch} cannot be kept: {error}") from error
            self._epoch = epoch
            self._beat.note({**self._beat.details, "epoch": epoch, "value": value})
            return
        if epoch <= len(self._claim.values):
            earlier = self._claim.values[epoch - 1]
            raise _trial_failed(f"epoch {epoch} was {earlier} in an earlier attempt and is {value} now")
        self._claim.record_divergence("nan" if math.isnan(value) else "inf" if value > 0 else "-inf")
        self._diverged = True

    def _settle(self, trainer: TrainerProcess) -> bool:
        """Whether the trainer takes another request; one that goes on after its last epoch has its grace."""
        if not self._done:
            return False
        until = time.monotonic() + _READY_SECONDS
        while trainer.alive and not activity.is_cancelled() and time.monotonic() < until:
            message = trainer.receive(0.1)
            if message is not None:
                return bool(message.get("ready"))
        trainer.interrupt()
        until = time.monotonic() + self._grace
        while trainer.alive and time.monotonic() < until:
            trainer.receive(0.1)
        return False


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


def _given_up() -> bool:
    """The server waits for this attempt no more: whatever it still did would be in the way of the next."""
    details = activity.cancellation_details()
    return details is not None and (details.timed_out or details.not_found)


def _stopped() -> Exception:
    details = activity.cancellation_details()
    if details is not None and details.worker_shutdown and not details.cancel_requested:
        # The package would report a cancellation, which nobody asked for: another worker is to go on.
        return ApplicationError(
            "the worker shuts down", type="WorkerShutdown", category=ApplicationErrorCategory.BENIGN
        )
    return CancelledError("stopped while training")


def _trial_failed(message: str, tail: str = "") -> ApplicationError:
    # Benign: the package logs no traceback, which would be the supervisor's and not the trainer's.
    return ApplicationError(
        message + (f"\n{tail}" if tail else ""),
        type="TrialFailed",
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
