"""Imported first: the clock of this process is off by as many milliseconds as a file says, which may change at any time."""

import os
import threading
import time

_file = os.environ.get("CHAOS_CLOCK")
_offset = 0.0


def _look() -> None:
    global _offset
    try:
        with open(_file or "") as found:
            _offset = float(found.read() or 0) / 1000
    except (OSError, ValueError):
        _offset = 0.0


def _watch() -> None:
    while True:
        _look()
        time.sleep(0.2)


if _file:
    _time, _time_ns = time.time, time.time_ns
    _look()
    threading.Thread(target=_watch, daemon=True).start()
    time.time = lambda: _time() + _offset
    time.time_ns = lambda: _time_ns() + int(_offset * 1e9)
