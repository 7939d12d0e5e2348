"""What a trainer prints, taken apart as it comes (trainers/output.ts): nothing but a line's beginning and lines of the
protocol is ever kept."""

from __future__ import annotations

import queue
import re
import sys
import threading
from typing import Callable, Union

#: Bytes of the longest line that can be one of the protocol.
MAX_LINE = 1 << 20

#: Only a line that begins with a brace can be one of the protocol.
_BRACE = re.compile(rb"^[ \t\r\v\f]*\{[^\n]*", re.MULTILINE)

_TAIL_BYTES = 8192
_TAIL_LINES = 20
_TAIL_CHARACTERS = 1000

#: Characters of a line that the worker prints of its trainers.
_SHOWN = 2000

#: Seconds that a trainer waits for what it printed to be shown, at most.
_PATIENCE = 1.0

#: What a terminal would obey: control characters but for line ends and tabs, and marks that turn text around.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Splitter:
    """Passes output on in whole lines, but for those that `on_line` says are of the protocol. Of a line longer than MAX_LINE
    the beginning is passed on, and it is no line of the protocol."""

    def __init__(self, on_log: Callable[[bytes], None], on_line: Callable[[bytes], bool]) -> None:
        self._on_log = on_log
        self._on_line = on_line
        #: The beginning of a line that has not ended.
        self._held = bytearray()
        self._too_long = False

    def push(self, chunk: bytes) -> None:
        if self._too_long:
            _, newline, chunk = chunk.partition(b"\n")
            if not newline:
                return
            self._too_long = False
        whole = chunk.rfind(b"\n") + 1
        if whole:
            block = bytes(self._held) + chunk[:whole]
            self._held.clear()
            start = 0
            for match in _BRACE.finditer(block):
                if len(match[0]) <= MAX_LINE and self._on_line(match[0]):
                    self._log(block[start : match.start()])
                    start = match.end() + 1
            self._log(block[start:])
        self._held += chunk[whole:]
        if len(self._held) > MAX_LINE:
            self._on_log(bytes(self._held) + b"\n")
            self._held.clear()
            self._too_long = True

    def _log(self, block: bytes) -> None:
        if block:
            self._on_log(block)

    def end(self) -> None:
        """The output has ended."""
        if self._held:
            self.push(b"\n")


class Tail:
    """The last lines of output, for the message of a failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._kept = b""
            self._cut = False

    def push(self, block: bytes) -> None:
        with self._lock:
            self._cut = self._cut or len(self._kept) + len(block) > _TAIL_BYTES
            self._kept = (self._kept + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]

    @property
    def text(self) -> str:
        """At most 20 lines, each of at most 1000 characters, and 8 KiB in all."""
        with self._lock:
            text = ("..." if self._cut else "") + self._kept.decode("utf-8", "replace")
        lines = re.split(r"\r\n?|\n", text.rstrip("\r\n"))[-_TAIL_LINES:]
        return "\n".join(shorten(line, _TAIL_CHARACTERS) for line in lines)


class Printer:
    """Prints on standard error in a thread of its own. Whoever reads that too slowly keeps a trainer waiting for a second;
    from then on lines are dropped and counted until there is room again."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[str] = queue.Queue(maxsize=16)
        self._stuck = False
        self._dropped = 0
        threading.Thread(target=self._run, daemon=True).start()

    def say(self, text: Union[str, bytes]) -> None:
        """Text in whole lines. Lines are cut, and what a terminal would obey is shown instead."""
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        lines = harmless(text).rstrip("\n").split("\n")
        shown = "".join(shorten(line, _SHOWN) + "\n" for line in lines)
        try:
            self._waiting.put(shown, timeout=0 if self._stuck else _PATIENCE)
            self._stuck = False
        except queue.Full:
            self._stuck = True
            self._dropped += len(lines)

    def flush(self) -> None:
        """Waits for a second until all is printed."""
        done = threading.Thread(target=self._waiting.join, daemon=True)
        done.start()
        done.join(_PATIENCE)

    def _run(self) -> None:
        while True:
            text = self._waiting.get()
            dropped, self._dropped = self._dropped, 0
            try:
                sys.stderr.write(f"--- {dropped} lines were not printed\n{text}" if dropped else text)
                sys.stderr.flush()
            except (OSError, ValueError):
                # Nobody reads it any more, which is no reason to stop.
                self._dropped += dropped
            finally:
                self._waiting.task_done()


def harmless(text: str) -> str:
    """Shows what a terminal would obey: "\\u001b[2J" in place of a cleared screen."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", lines)


def shorten(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}..."
