"""Trainers for Everband studies. A script needs five lines:

    import everband

    for request in everband.requests():
        model = build(request.config, request.checkpoint)
        for epoch in request.epochs():
            loss = train_one_epoch(model)
            request.report(loss=loss, checkpoint=lambda path: torch.save(model.state_dict(), path))
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from typing import Any, Iterator, Mapping, Optional, TextIO

from .request import Checkpoint, Request, TrainerError

__all__ = ["Checkpoint", "Request", "TrainerError", "requests"]

_stopping = False
_training = False


class _ProcessRequest(Request):
    """A request over standard input and output."""

    def __init__(self, message: Mapping[str, Any], out: TextIO) -> None:
        super().__init__(message)
        self._out = out

    @property
    def stopping(self) -> bool:
        return _stopping

    def _send(self, epoch: int, values: Mapping[str, float], checkpoint: Optional[str]) -> None:
        line: dict[str, Any] = {"epoch": epoch, **values}
        if checkpoint is not None:
            line["checkpoint"] = checkpoint
        # NaN and infinities go out as Python writes them; the worker knows them.
        _write(self._out, line)


def requests() -> Iterator[Request]:
    """The segments to train, one after the other, as long as the worker has some for this process.

    From the first request on, whatever is printed goes to the trial's log. On SIGTERM the current epoch is finished,
    and the process ends.
    """
    global _training
    out = _protect_stdout()
    _tell_of_memory(out)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _on_sigterm)
    # Not iterated over directly: that would read ahead.
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        if message.get("everband") != 1:
            raise TrainerError(f"this package speaks version 1 of the protocol, got {message.get('everband')!r}")
        request = _ProcessRequest(message, out)
        _training = True
        yield request
        _training = False
        if _stopping:
            return
        if not request.finished:
            raise TrainerError(f"the trainer went on after epoch {request.epoch}, asked for epoch {request.to}")
        _write(out, {"ready": True})


def _tell_of_memory(out: TextIO) -> None:
    """Lets the worker know when the trainer ends for want of memory: it may have a rule of its own for that."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        # First, for the worker ends this process as soon as it has read the line.
        try:
            before(kind, error, trace)
            sys.stderr.flush()
        finally:
            if _training and _is_out_of_memory(error):
                # What the trainer held when it failed is in the way of what is to be said.
                traceback.clear_frames(trace)
                text = " ".join([kind.__name__, *str(error).split()])
                _write(out, {"error": text[:2000], "kind": "oom"})

    sys.excepthook = hook


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if any(one.__name__ == "OutOfMemoryError" and one.__module__.split(".")[0] == "torch" for one in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and "CUDA out of memory" in str(error)


def _write(out: TextIO, message: Mapping[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _protect_stdout() -> TextIO:
    """Keeps standard output for the protocol and lets everything printed, by libraries in C too, go to the log."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _on_sigterm(_signal: int, _frame: Any) -> None:
    global _stopping
    _stopping = True
    if not _training:
        # Waiting for a request: there is nothing to finish.
        sys.stderr.flush()
        os._exit(0)
