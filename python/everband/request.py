"""What a trainer is asked to do, the same whether it runs as a child process or inside a Temporal worker."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Union

#: How an attempt can have failed.
FAILURE_KINDS = ("oom", "timeout", "crash", "error")

Checkpoint = Union[str, "os.PathLike[str]", Callable[[Path], Any]]


class TrainerError(Exception):
    """The trainer broke the contract."""


class Request:
    """Train `config` from epoch `start` (what `checkpoint` holds, 0 without one) to epoch `to`.

    Use `for epoch in request.epochs():` and call `request.report(...)` once in every epoch.
    """

    def __init__(self, message: Mapping[str, Any]) -> None:
        self.study: str = message["study"]
        self.trial: str = message["trial"]
        #: Parameter name to value.
        self.config: dict[str, Any] = message["config"]
        #: 32-bit unsigned; the same trial always gets the same.
        self.seed: int = message["seed"]
        #: The name under which `report` must pass the value that counts.
        self.metric: str = message["metric"]
        #: Epochs already trained.
        self.start: int = message["from"]
        #: The last epoch to train.
        self.to: int = message["to"]
        #: What to resume from, or None: start from nothing.
        self.checkpoint: Optional[Path] = Path(message["checkpoint"]) if message["checkpoint"] else None
        #: Folder for checkpoints, of this attempt alone.
        self.checkpoint_dir: Path = Path(message["checkpointDir"])
        #: Last epoch reported.
        self.epoch: int = self.start
        self._diverged = False

    @property
    def stopping(self) -> bool:
        """True when the slot is wanted back: `epochs` ends after the current epoch."""
        return False

    @property
    def finished(self) -> bool:
        """True when nothing more is to be trained: every epoch done, or diverged."""
        return self._diverged or self.epoch >= self.to

    def epochs(self) -> Iterator[int]:
        """The epochs to train, 1-based; ends early when the trial diverged or the slot is wanted back."""
        while not self.finished and not self.stopping:
            epoch = self.epoch + 1
            yield epoch
            if self.epoch != epoch:
                raise TrainerError(f"epoch {epoch} ended without request.report({self.metric}=...)")

    def report(self, *, checkpoint: Optional[Checkpoint] = None, **values: Any) -> None:
        """Ends an epoch with its values; NaN and infinities end the trial as diverged.

        `checkpoint` is a function that is called with the path to save the state to, or the path of a file or folder
        inside `checkpoint_dir` that holds it already. Every checkpoint needs a name of its own.
        """
        if self.metric not in values:
            raise TrainerError(f"report() needs {self.metric}=..., got {sorted(values)}")
        if self.finished:
            raise TrainerError(f"epoch {self.epoch} was the last one")
        numbers = {name: float(value) for name, value in values.items()}
        epoch = self.epoch + 1
        finite = math.isfinite(numbers[self.metric])
        name = self._save(epoch, checkpoint) if checkpoint is not None and finite else None
        self._send(epoch, numbers, name)
        self.epoch = epoch
        self._diverged = not finite

    def _save(self, epoch: int, checkpoint: Checkpoint) -> str:
        if callable(checkpoint):
            path = self.checkpoint_dir / f"epoch-{epoch}"
            checkpoint(path)
        else:
            path = self.checkpoint_dir / os.fspath(checkpoint)
        if not path.exists():
            raise TrainerError(f"checkpoint {path} does not exist")
        try:
            return path.resolve().relative_to(self.checkpoint_dir.resolve()).as_posix()
        except ValueError:
            raise TrainerError(f"checkpoint {path} is not inside {self.checkpoint_dir}") from None

    def _send(self, epoch: int, values: Mapping[str, float], checkpoint: Optional[str]) -> None:
        raise NotImplementedError
