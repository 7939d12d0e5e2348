"""Waiting for what processes and threads do in their own time."""

import time
from typing import Callable


def until(holds: Callable[[], object], what: str = "it") -> None:
    """Looks again and again until it holds, for 30 s at most: a busy machine may stand still for seconds."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, f"waited 30 s for {what}"
        time.sleep(0.01)
