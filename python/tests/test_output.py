"""What a trainer prints: test/trainers/output.test.ts has the same cases."""

import random
import sys
import threading
import time

import pytest

from everband.output import MAX_LINE, Printer, Splitter, Tail, harmless


def split(chunks):
    logged, lines = [], []
    splitter = Splitter(logged.append, lambda line: bool(lines.append(line)))
    for chunk in chunks:
        splitter.push(chunk)
    splitter.end()
    return b"".join(logged), lines


def test_all_is_passed_on_and_lines_that_begin_with_a_brace_on_their_own() -> None:
    chance = random.Random(1)
    pieces = [b"{", b'{"epoch":1}', b"text", b" ", b"\t", b"\n", b"\n", b"\r\n", b"}"]
    for _ in range(2000):
        chunks = [b"".join(chance.choices(pieces, k=chance.randrange(6))) for _ in range(chance.randrange(8))]
        text = b"".join(chunks)
        log, lines = split(chunks)
        assert log == text + (b"" if text.endswith(b"\n") or not text else b"\n")
        starting = [line.lstrip(b" \t\r") for line in text.split(b"\n")]
        assert [line.lstrip(b" \t\r") for line in lines] == [line for line in starting if line.startswith(b"{")]


def test_a_line_that_is_too_long_is_no_line_of_the_protocol() -> None:
    long, end, after = b'{"epoch":1,"x":"' + b"x" * MAX_LINE, b'{"epoch":2}', b'\n{"epoch":3}\n'
    for chunks in ([long[:1000], long[1000:], end, after], [long + end + after]):
        log, lines = split(chunks)
        assert lines == [b'{"epoch":3}']
        assert log.startswith(long) and log.endswith(after)
    longest = b"{" + b" " * (MAX_LINE - 2) + b"}"
    assert split([longest, b"\n"])[1] == [longest]
    assert split([longest, b" \n"])[1] == []


def test_lines_of_the_protocol_are_not_passed_on() -> None:
    logged = []
    splitter = Splitter(logged.append, lambda line: b"epoch" in line)
    for chunk in (b'one\n{"epoch":1}\ntwo\n{"x":1}\n{"epo', b'ch":2}\n  {"epoch":3}\r\nthree'):
        splitter.push(chunk)
    splitter.end()
    assert b"".join(logged) == b'one\ntwo\n{"x":1}\nthree\n'


def test_a_line_that_never_ends_is_not_kept() -> None:
    splitter = Splitter(lambda _: None, lambda _: False)
    for _ in range(100):
        splitter.push(b"{" * 100_000)
        assert len(splitter._held) <= MAX_LINE


def test_the_tail_is_bounded() -> None:
    tail = Tail()
    assert tail.text == ""
    for number in range(1, 51):
        tail.push(b"line %d\n" % number)
    assert tail.text.split("\n") == [f"line {number}" for number in range(31, 51)]
    tail.clear()
    tail.push(b"x" * 5000 + b"\nerror\n")
    assert tail.text == "x" * 1000 + "...\nerror"
    tail.push(b"y" * 10**6)
    assert tail.text.startswith("...y") and len(tail.text) < 1100


def test_what_a_terminal_obeys_is_shown() -> None:
    assert harmless("\x1b]0;title\x07 \x9b2J \u202e\ta\rb\r\nc\0") == "\\u001b]0;title\\u0007 \\u009b2J \\u202e\ta\nb\nc\\u0000"


class Stuck:
    """A standard error that nobody reads."""

    def __init__(self) -> None:
        self.reads = threading.Event()
        self.text = ""

    def write(self, text: str) -> None:
        self.reads.wait()
        self.text += text

    def flush(self) -> None:
        pass


def test_nobody_waits_for_long_for_what_cannot_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    monkeypatch.setattr(sys, "stderr", stuck)
    printer = Printer()
    since = time.monotonic()
    for number in range(1000):
        printer.say(f"line {number}\n")
    # A second, and not one for each of them.
    assert time.monotonic() - since < 30
    stuck.reads.set()
    printer.flush()
    printer.say("again\n")
    printer.flush()
    printed = stuck.text.splitlines()
    dropped = int(next(line for line in printed if line.startswith("---")).split()[1])
    assert printed[0] == "line 0" and printed[-1] == "again"
    assert dropped + len(printed) == 1002
