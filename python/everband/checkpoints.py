"""Checkpoints of a Temporal worker: every attempt in a folder of its own, the highest number counts, no locks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Iterator, Optional


class Fenced(Exception):
    """A newer attempt trains this trial."""


class TooManyLosses(Exception):
    """Too many attempts in a row were lost without a new epoch."""


class Claim:
    """One attempt at a trial, in `<root>/a<number>/`."""

    def __init__(self, root: Path, config_hash: str, reset: Optional[int], max_losses: int) -> None:
        self.root = root
        self.config_hash = config_hash
        root.mkdir(parents=True, exist_ok=True)
        self.number = self._claim()
        self.folder = root / f"a{self.number}"
        self.files = self.folder / "files"
        self.files.mkdir()
        earlier = [attempt for attempt in _attempts(root) if attempt["number"] < self.number]
        if reset is None:
            reset = earlier[-1]["reset"] if earlier else None
        earlier = [attempt for attempt in earlier if attempt["reset"] == reset]
        known = next((a for a in reversed(earlier) if _fits(a, config_hash)), None)
        #: Values of epochs 1 ... n, exactly as first reported.
        self.values: list[float] = list(known["manifest"]["values"]) if known else []
        self.non_finite: Optional[str] = known["manifest"]["nonFinite"] if known else None
        self.start: int = 0
        self.checkpoint: Optional[Path] = None
        self._resumed = len(self.values)
        self._saved: list[dict[str, Any]] = []
        _write_whole(self.folder / "claim.json", {"resume": self._resumed, "reset": reset})
        losses = 0
        for attempt in reversed(earlier):
            if attempt["released"] or (attempt["manifest"] and len(attempt["manifest"]["values"]) > attempt["resume"]):
                break
            losses += 1
        if losses >= max_losses:
            self.release()
            raise TooManyLosses(f"lost its worker {losses} times in a row without a new epoch")
        self._find_start(earlier)

    def record(self, epoch: int, value: float, checkpoint: Optional[str]) -> None:
        """Takes a finished epoch into the curve; one already in it keeps its first value."""
        if epoch == len(self.values) + 1:
            self.values.append(value)
        elif checkpoint is None:
            return
        if checkpoint is not None:
            self._saved.append({"epoch": epoch, "name": checkpoint, "files": list(_describe(self.files, checkpoint))})
        dropped, self._saved = self._saved[:-2], self._saved[-2:]
        self.publish()
        for old in dropped:
            _remove(self.files / old["name"])

    def record_divergence(self, non_finite: str) -> None:
        self.non_finite = non_finite
        self.publish()

    def publish(self) -> None:
        """Writes the manifest and removes the attempts it makes superfluous."""
        if self.fenced:
            raise Fenced(f"attempt {self.number} was overtaken by a newer one")
        manifest = {"configHash": self.config_hash, "values": self.values, "nonFinite": self.non_finite}
        _write_whole(self.folder / "manifest.json", {**manifest, "checkpoints": self._saved})
        # Without a new epoch the earlier attempts are the evidence of losses in a row; with a checkpoint too few
        # they hold the one to fall back to.
        news = len(self.values) > self._resumed or self.non_finite is not None
        if news and (len(self._saved) == 2 or self.checkpoint is None):
            for number in _numbers(self.root):
                if number < self.number:
                    _remove(self.root / f"a{number}")

    @property
    def fenced(self) -> bool:
        numbers = _numbers(self.root)
        return self.number not in numbers or max(numbers) > self.number

    def release(self) -> None:
        """Marks an orderly end: not a loss."""
        try:
            (self.folder / "released").touch()
        except FileNotFoundError:
            pass

    def _claim(self) -> int:
        while True:
            number = max(_numbers(self.root), default=0) + 1
            try:
                (self.root / f"a{number}").mkdir()
            except FileExistsError:
                continue
            # The number may have been free again because a newer attempt cleared up.
            if max(_numbers(self.root)) == number:
                return number
            _remove(self.root / f"a{number}")

    def _find_start(self, earlier: list[dict[str, Any]]) -> None:
        for attempt in reversed(earlier):
            if not _fits(attempt, self.config_hash):
                continue
            files = self.root / f"a{attempt['number']}" / "files"
            for saved in attempt["manifest"]["checkpoints"]:
                epoch: int = saved["epoch"]
                same = attempt["manifest"]["values"][:epoch] == self.values[:epoch]
                if self.start < epoch <= len(self.values) and same and _intact(files, saved):
                    self.start, self.checkpoint = epoch, files / saved["name"]


def config_hash(config: Any, seed: int, metric: str) -> str:
    return hashlib.sha256(json.dumps([config, seed, metric], sort_keys=True).encode()).hexdigest()


def _fits(attempt: dict[str, Any], wanted: str) -> bool:
    return attempt["manifest"] is not None and attempt["manifest"]["configHash"] == wanted


def _numbers(root: Path) -> list[int]:
    try:
        return sorted(int(name[1:]) for name in os.listdir(root) if name[:1] == "a" and name[1:].isdigit())
    except FileNotFoundError:
        return []


def _attempts(root: Path) -> list[dict[str, Any]]:
    note: dict[str, Any] = {"resume": 0, "reset": None}
    attempts = []
    for number in _numbers(root):
        folder = root / f"a{number}"
        # One that ended before it wrote its note must not bring back what a reset forgot.
        note = _read(folder / "claim.json") or note
        manifest = _read(folder / "manifest.json")
        if manifest is not None and manifest.pop("digest", None) != _digest(manifest):
            manifest = None
        released = (folder / "released").exists()
        attempts.append({"number": number, **note, "released": released, "manifest": manifest})
    return attempts


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_whole(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".new")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump({**content, "digest": _digest(content)}, file, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _describe(root: Path, name: str) -> Iterator[dict[str, Any]]:
    path = root / name
    if path.is_dir():
        for child in sorted(os.listdir(path)):
            yield from _describe(root, f"{name}/{child}")
        return
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
        os.fsync(file.fileno())
    yield {"path": name, "size": size, "sha256": digest.hexdigest()}


def _intact(root: Path, saved: dict[str, Any]) -> bool:
    try:
        return list(_describe(root, saved["name"])) == saved["files"]
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
