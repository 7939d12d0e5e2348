"""What trainers report beside the objective, a line for every epoch: `<study>/epochs/<trial>.jsonl` (trainers/epoch-log.ts)."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, Mapping, Optional

from .files import within

_NAMES = 64
_CHARACTERS = 64
_BYTES = 8192


class EpochBound(Exception):
    """A trainer reported more than is kept."""


def other_numbers(message: Mapping[str, Any], metric: str) -> dict[str, Optional[float]]:
    """Every number beside the objective; None where it is not finite."""
    return {
        name: None if value is None or not math.isfinite(value) else value
        for name, value in message.items()
        if name not in ("epoch", "checkpoint", metric)
        and (value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)))
    }


def format_epoch_line(line: Mapping[str, Any]) -> str:
    """Raises EpochBound."""
    names = list(line["values"])
    at = f"epoch {line['epoch']} has"
    if len(names) > _NAMES:
        raise EpochBound(f"{at} {len(names)} numbers beside the objective; at most {_NAMES} names are kept")
    for name in names:
        if len(name) > _CHARACTERS:
            raise EpochBound(
                f'{at} a number whose name has {len(name)} characters ("{name[:20]}..."); at most {_CHARACTERS} are kept'
            )
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    # Half a character in a name stays escaped: it cannot be written as it is.
    text = text.encode("utf-8", "backslashreplace").decode()
    size = len(text.encode())
    if size > _BYTES:
        raise EpochBound(f"{at} numbers that make a line of {size} bytes; at most {_BYTES} are kept")
    return text


def epoch_file(folder: Path, trial: str) -> Path:
    return within(folder, "epochs", f"{trial}.jsonl")


def append_epochs(file: Path, lines: list[str]) -> None:
    """Adds whole lines at the end, safely on disk. The folder must be there: one that was deleted does not come back."""
    with open(file, "ab+") as handle:
        size = handle.seek(0, os.SEEK_END)
        if size > 0:
            handle.seek(size - 1)
            # A power cut may have left half a line.
            if handle.read(1) != b"\n":
                lines = ["\n", *lines]
        handle.write("".join(lines).encode())
        handle.flush()
        os.fsync(handle.fileno())
