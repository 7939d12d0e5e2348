"""A Temporal worker that trains in Python, for studies whose trainer is `{type: activity, taskQueue: ...}`.

    import everband.worker

    def train(request):
        model = build(request.config, request.checkpoint)
        for epoch in request.epochs():
            request.report(loss=train_one_epoch(model), checkpoint=model.save)

    everband.worker.run(train, task_queue="gpu")

`run` starts the script again, once per slot, and in those processes it trains: a trainer that hangs can be killed, which
a thread cannot, and one that crashes takes no other along.

Needs the package `temporalio`.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, Mapping, NoReturn, Optional, Union

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from . import requests
from .attempts import study_folder
from .beat import Beat
from .checkpoints import Claim, Known, Scope, TooManyLosses, read_known, tries_alone
from .epoch_log import EpochBound, other_numbers
from .files import PlaceError
from .held import CheckpointError, hold_checkpoint
from .identity import Fenced, enter_study
from .memory import MemoryWatch
from .output import shorten
from .polling import poll
from .processes import LIFELINE, TrainerProcess, Trainers, end_with_worker
from .request import FAILURE_KINDS, Request
from .room import Stay
from .schema import check_segment
from .seal import require_seal

Train = Callable[[Request], Any]

#: Where the script was started: its name may be relative to that.
_STARTED_IN = os.getcwd()

#: Seconds that a trainer may take after its last epoch to say that it takes another request.
_READY_SECONDS = 1.0

#: Characters of the longest message of a failure: it is in a history for as long as that is kept.
_MAX_MESSAGE = 16_000


def run(
    train: Train,
    *,
    task_queue: str,
    state_dir: Union[str, Path, None] = None,
    address: Optional[str] = None,
    namespace: Optional[str] = None,
    slots: int = 1,
) -> None:
    """Polls `task_queue` and trains until the process is told to end, `slots` trials at a time.

    `state_dir` is Everband's folder, by default what EVERBAND_HOME names or `.everband`: checkpoints lie where the
    orchestrator removes them, and every worker of the task queue must see the same folder. The server is the one
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
        train_segment = create_activity(trainers, state_dir or os.environ.get("EVERBAND_HOME") or ".everband")
        poll(train_segment, task_queue=task_queue, slots=slots, address=address, namespace=namespace)


def _train_here(train: Train) -> NoReturn:
    """The life of a slot's process; never goes back to a script that would start another worker."""
    end_with_worker()
    try:
        for request in requests():
            train(request)
    except Exception:
        # Which says more than a traceback where there was too little memory.
        sys.excepthook(*sys.exc_info())
        sys.exit(1)
    sys.exit(0)


def create_activity(trainers: Trainers, state_dir: Union[str, Path], name: str = "trainSegment") -> Callable[[Any], Any]:
    """The activity, for a worker of your own; synchronous, so that worker needs an `activity_executor`.

    `Trainers([sys.executable, "trainer.py"])` starts a script that goes through `everband.requests()`.
    """
    root = Path(state_dir).resolve()

    @activity.defn(name=name, no_thread_cancel_exception=True)
    def train_segment(segment: Any) -> Any:
        check_segment(segment)
        require_seal(root, segment["study"], segment["identity"].get("seal"), trainer=segment["trainer"])
        with Beat({"trial": segment["trial"]["id"], "epoch": segment["from"], "value": None}) as beat:
            try:
                return _train_segment(segment, Scope.of(root, segment), beat, trainers)
            except CheckpointError as error:
                raise _trial_failed(str(error)) from None
            except PlaceError as error:
                raise ApplicationError(str(error), type="InvalidStudy", non_retryable=True) from None
            except Fenced as error:
                # The server may ask again: should this have been the attempt that counts, it gets a new claim.
                raise ApplicationError(str(error), type="Fenced") from None

    return train_segment


def _train_segment(segment: Mapping[str, Any], scope: Scope, beat: Beat, trainers: Trainers) -> Any:
    start, to = segment["from"], segment["to"]
    scheduled = activity.info().scheduled_time.timestamp() * 1000
    enter_study(study_folder(scope.state_dir, scope.study), scope.identity, scheduled)
    answer = _answer(read_known(scope), start, to)
    if answer is None:
        place = f"{scope.study} {scope.trial}"
        stay = trainers.room.enter(place, tries_alone(scope), activity.is_cancelled)
        if stay is None:
            raise _stopped()
        try:
            claim = _claim(segment, scope, stay)
            _Attempt(segment, claim, beat, stay).run(trainers)
        finally:
            stay.leave()
        answer = _answer(claim.known, start, to)
        if answer is None:
            raise _stopped()
        claim.release()
    if segment.get("hold") and answer["outcome"] == "completed":
        hold_checkpoint(scope, scope.trial, to)
    return answer


def _claim(segment: Mapping[str, Any], scope: Scope, stay: Stay) -> Claim:
    try:
        claim = Claim(scope, segment["training"]["maxLosses"], stay.alone)
    except TooManyLosses as error:
        known = read_known(scope)
        curve = known.curve(max(segment["from"], known.base))
        raise _trial_failed(f"trial {scope.trial} {error}", kind="crash", curve=curve) from None
    stay.on_shared(claim.share)
    return claim


class _Attempt:
    """One request to one trainer: sends it, takes its epochs, watches the clock."""

    def __init__(self, segment: Mapping[str, Any], claim: Claim, beat: Beat, stay: Stay) -> None:
        trial = segment["trial"]
        self._stay = stay
        self._from: int = segment["from"]
        self._metric: str = segment["metric"]
        self._metrics: list[str] = segment.get("metrics", [])
        self._to: int = segment["to"]
        self._epoch_timeout: float = segment["training"]["epochTimeoutSeconds"]
        self._grace: float = segment["training"]["graceSeconds"]
        self._claim = claim
        #: How many epochs more than the trial's own the trainer counts; one that starts from nothing counts from nothing.
        self._shift: int = segment.get("shift", 0) if claim.checkpoint else 0
        self._beat = beat
        self._epoch = claim.start
        self._diverged = False
        #: The end of the epoch before.
        self._began = time.monotonic()
        self._message = {
            **{"everband": 1, "study": segment["study"], "trial": trial["id"], "config": trial["config"]},
            **{"seed": trial["seed"], "metric": self._metric, "from": claim.start + self._shift, "to": self._to + self._shift},
            **({"metrics": self._metrics} if self._metrics else {}),
            **{"checkpoint": str(claim.checkpoint) if claim.checkpoint else None, "checkpointDir": str(claim.files)},
        }

    def run(self, trainers: Trainers) -> None:
        """Trains until the claim has everything, or until a trainer that was told to stop has ended."""
        trainer = trainers.acquire()
        kept = False
        try:
            memory = MemoryWatch(trainer.pid)
            while not trainer.send(self._message) and trainer.kept:
                # It had ended before it was asked.
                trainer.kill()
                trainer = trainers.acquire()
                memory = MemoryWatch(trainer.pid)
            self._follow(trainer, memory)
            kept = self._settle(trainer)
        except ApplicationError as error:
            trainer.kill()
            self._claim.release()
            trainers.printer.say(f"trial {self._message['trial']}: {error.message.splitlines()[0]}")
            raise
        finally:
            if kept:
                trainers.release(trainer)
            else:
                trainer.kill()

    def _follow(self, trainer: TrainerProcess, memory: MemoryWatch) -> None:
        #: When a hung trainer is given up, and when one that was told to stop is.
        deadline = time.monotonic() + self._epoch_timeout
        kill_at: Optional[float] = None
        while not self._done:
            if activity.is_cancelled() and kill_at is None:
                if _given_up():
                    raise Fenced("the server has given this attempt up")
                trainer.interrupt()
                kill_at = time.monotonic() + self._grace
            # Asked before: whoever ends while nobody listens may have said something first.
            ended = not trainer.alive
            message = trainer.receive(0.2)
            now = time.monotonic()
            if message is not None and "epoch" not in message:
                # Told to stop, a trainer may break off as it likes.
                if kill_at is None:
                    raise self._refused(message, trainer.tail)
            elif message is not None:
                self._take(message)
                if self._claim.advanced:
                    self._stay.admit_others()
                deadline = time.monotonic() + self._epoch_timeout
            elif fenced := self._claim.fenced:
                # Before anything else: what a trainer does whose folder was taken is not its fault.
                raise fenced
            elif kill_at is not None:
                if now >= kill_at or ended:
                    self._claim.release()
                    return
            elif ended:
                asked = f"asked for epochs {self._claim.start + 1} to {self._to}"
                how = f"the trainer {trainer.ending} after epoch {self._epoch}, {asked}"
                raise self._failed(how, "oom" if memory.killed() else "crash", trainer.tail)
            elif now >= deadline:
                hung = f"hung: no epoch within {self._epoch_timeout:g} s after epoch {self._epoch}"
                raise self._failed(hung, "timeout", trainer.tail)

    def _failed(self, message: str, kind: str = "error", tail: str = "") -> ApplicationError:
        known = self._claim.known
        return _trial_failed(message, tail, kind, known.curve(max(self._from, known.base)))

    def _refused(self, message: Mapping[str, Any], tail: str) -> ApplicationError:
        """What is no epoch: its own error, or that it is ready too early."""
        if "error" not in message:
            asked = f"asked for epochs {self._claim.start + 1} to {self._to}"
            return self._failed(f"the trainer was ready after epoch {self._epoch}, {asked}", tail=tail)
        error, kind = message["error"], message.get("kind")
        text = error if isinstance(error, str) else json.dumps(error)
        return self._failed(f"the trainer says: {text}", kind if kind in FAILURE_KINDS else "error", tail)

    @property
    def _done(self) -> bool:
        return self._diverged or self._epoch >= self._to

    def _take(self, message: Mapping[str, Any]) -> None:
        epoch = self._epoch + 1
        value = _number(message, self._metric)
        # Of an epoch that diverged no other number counts.
        finite = value is not None and math.isfinite(value)
        lacks = finite and any(_number(message, name) is None for name in self._metrics)
        checkpoint = message.get("checkpoint")
        named = checkpoint is None or isinstance(checkpoint, str)
        if message.get("epoch") != epoch + self._shift or value is None or lacks or not named:
            names = ", ".join([self._metric, *self._metrics])
            raise self._failed(f"the trainer said {_text_of(message)}, expected {names} of epoch {epoch + self._shift}")
        now = time.monotonic()
        seconds, self._began = now - self._began, now
        others = other_numbers(message, self._metric)
        try:
            if finite:
                metrics = {name: others[name] for name in self._metrics}
                self._claim.record(epoch, value, checkpoint, seconds, others, metrics)
                self._epoch = epoch
                self._beat.note({**self._beat.details, "epoch": epoch, "value": value})
                return
            if self._claim.base < epoch <= self._claim.base + len(self._claim.values):
                earlier = self._claim.values[epoch - 1 - self._claim.base]
                raise self._failed(f"epoch {epoch} was {earlier} in an earlier attempt and is {value} now")
            non_finite = "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
            self._claim.record_divergence(non_finite, seconds, others)
            self._diverged = True
        except (CheckpointError, EpochBound) as error:
            raise self._failed(str(error)) from None
        except OSError as error:
            raise self._failed(f"epoch {epoch} cannot be kept: {error}") from error

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


def _answer(known: Known, start: int, to: int) -> Optional[dict[str, Any]]:
    if known.base + len(known.values) >= to:
        return {"outcome": "completed", **known.curve(start, to)}
    if known.non_finite is not None:
        return {"outcome": "diverged", **known.curve(start), "nonFinite": known.non_finite}
    return None


def _text_of(message: Mapping[str, Any]) -> str:
    try:
        return shorten(str(message), 300)
    except RecursionError:
        return "something that is nested too deeply to be repeated"


def _number(message: Mapping[str, Any], name: str) -> Optional[float]:
    """The number of that name, NaN for null; None where it has none."""
    number = message.get(name, "")
    if number is None:
        return math.nan
    return float(number) if isinstance(number, (int, float)) and not isinstance(number, bool) else None


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


def _trial_failed(
    message: str, tail: str = "", kind: str = "error", curve: Optional[Mapping[str, Any]] = None
) -> ApplicationError:
    """`curve`: of the epochs that it trained before, as they travel."""
    known = curve or {"values": []}
    # Benign: the package logs no traceback, which would be the supervisor's and not the trainer's.
    text = shorten(message + (f"\n{tail}" if tail else ""), _MAX_MESSAGE)
    return ApplicationError(
        # Half a character, which a trainer may have sent, could not be sent on.
        text.encode("utf-8", "replace").decode(),
        known["values"],
        known.get("metrics"),
        {"kind": kind},
        type="TrialFailed",
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
