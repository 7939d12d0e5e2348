"""Heartbeats of an activity, whose details the next attempt finds."""

from __future__ import annotations

import contextvars
import threading
from typing import Any, Mapping

from temporalio import activity


class Beat:
    """Heartbeats every second from a thread: an epoch, or an annealer's queue, is longer than the heartbeat timeout."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        self.details = details
        self._over = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=lambda: context.run(self._run), daemon=True)

    def note(self, details: Mapping[str, Any]) -> None:
        self.details = details
        activity.heartbeat(details)

    def __enter__(self) -> Beat:
        activity.heartbeat(self.details)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            activity.heartbeat(self.details)
