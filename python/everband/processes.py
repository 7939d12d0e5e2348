"""Trainers of a Temporal worker: processes of their own, kept between requests, killed when they hang.

A thread that hangs cannot be ended, and one that keeps the interpreter hangs every other thread with it; a process can
always be killed, and nothing else in the worker notices.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
from typing import Any, Mapping, Optional, Sequence, Union

from .output import Printer, Splitter, Tail

from .room import Room

#: In the environment of a trainer: the descriptor that closes when its worker ends, however it ends.
LIFELINE = "EVERBAND_LIFELINE"

#: Seconds a killed process may take: one stuck in a driver goes when the driver lets it.
_KILL_SECONDS = 5.0

#: Messages that may wait; a trainer that tells more than anybody listens to has to wait itself.
_MOST_MESSAGES = 16


#: What the worker itself needs to connect and to tell sealed studies by: no trainer has it.
_OURS = re.compile(r"(TEMPORAL|EVERBAND)_.*", re.IGNORECASE)


def _theirs() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _OURS.fullmatch(name)}


class TrainerProcess:
    """A process that goes through `everband.requests()`, in a group of its own, which ends with it."""

    def __init__(self, command: Sequence[str], cwd: Optional[str], printer: Printer) -> None:
        ours, lifeline = os.pipe()
        self._lifeline: Optional[int] = lifeline
        try:
            self._process = subprocess.Popen(
                command,
                **{"cwd": cwd, "env": {**_theirs(), LIFELINE: str(ours)}, "pass_fds": [ours]},
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
                **{"start_new_session": True},
            )
        finally:
            os.close(ours)
        #: Whether it has trained before.
        self.kept = False
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue(_MOST_MESSAGES)
        self._killed = threading.Event()
        self._printer = printer
        self._tail = Tail()
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_out, self._read_err)]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended: "ended with exit code 1"."""
        code = self._process.returncode
        return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    @property
    def tail(self) -> str:
        """The last 20 lines it printed."""
        return self._tail.text

    def send(self, message: Mapping[str, Any]) -> bool:
        """Whether somebody was there to take it: whatever ends after that has failed."""
        self._tail.clear()
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def receive(self, seconds: float) -> Optional[dict[str, Any]]:
        """Its next message; None when there is none within `seconds` or it has ended and said everything."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self._messages.get(timeout=max(0.0, min(0.1, until - time.monotonic())))
            except queue.Empty:
                pass
            if not self.alive:
                self._kill_group()
                # A process that left the group may hold its output open.
                for reader in self._readers:
                    reader.join(5.0)
                return None if self._messages.empty() else self._messages.get()
            if time.monotonic() >= until:
                return None

    def interrupt(self) -> None:
        """SIGTERM: finish the epoch, save, end. To it alone: its data loaders must live until it has saved."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self._killed.set()
        self._kill_group()
        try:
            self._process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def _read_out(self) -> None:
        assert self._process.stdout
        splitter = Splitter(self._print, self._hear)
        while chunk := os.read(self._process.stdout.fileno(), 1 << 16):
            splitter.push(chunk)
        splitter.end()

    def _read_err(self) -> None:
        assert self._process.stderr
        splitter = Splitter(self._print, lambda _: False)
        while chunk := os.read(self._process.stderr.fileno(), 1 << 16):
            # A bar of progress never ends its line.
            splitter.push(chunk.replace(b"\r", b"\n"))
        splitter.end()

    def _hear(self, line: bytes) -> bool:
        """Whether it is a message."""
        message = _message(line)
        if message is None:
            return False
        while not self._killed.is_set():
            try:
                self._messages.put(message, timeout=0.5)
                break
            except queue.Full:
                pass
        return True

    def _print(self, block: bytes) -> None:
        self._tail.push(block)
        self._printer.say(block)


class Trainers:
    """The trainer processes of a worker: `command` is started as often as requests come at once, and kept."""

    def __init__(self, command: Sequence[str], cwd: Optional[str] = None) -> None:
        self._command = list(command)
        self._cwd = cwd
        self._idle: list[TrainerProcess] = []
        #: Who trains in this worker.
        self.room = Room()
        self._lock = threading.Lock()
        self.printer = Printer()

    def acquire(self) -> TrainerProcess:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                return TrainerProcess(self._command, self._cwd, self.printer)
            if process.alive:
                return process
            process.kill()

    def release(self, process: TrainerProcess) -> None:
        """Keeps a process that has said that it takes another request."""
        process.kept = True
        with self._lock:
            self._idle.append(process)

    def __enter__(self) -> Trainers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._idle:
            process.kill()
        self.printer.flush()


def end_with_worker() -> None:
    """In a trainer: ends it, and what it started, as soon as its worker has gone."""
    lifeline = int(os.environ[LIFELINE])

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _message(line: bytes) -> Optional[dict[str, Any]]:
    try:
        message = json.loads(line.decode("utf-8", "replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    known = isinstance(message, dict) and any(key in message for key in ("epoch", "ready", "error"))
    return message if known else None


def _integer(digits: str) -> Union[int, float]:
    """As JavaScript reads it, where it is long: an exact one takes time that grows with the square of its length."""
    return int(digits) if len(digits) < 300 else float(digits)
