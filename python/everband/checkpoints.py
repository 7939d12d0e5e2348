"""Checkpoints of a Temporal worker, safe without locks when two attempts train the same trial: every attempt writes into a
folder of its own, and the newest one is the one that counts (attempts.py; the same rules as trainers/checkpoints.ts)."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional

from .attempts import (
    Attempt,
    Folder,
    attempt_name,
    base_of,
    checkpoint_folder,
    config_hash_of,
    read_attempts,
    read_folders,
    study_folder,
    write_manifest,
)
from .epoch_log import append_epochs, epoch_file, format_epoch_line
from .files import copy_files, describe_files, files_are_intact, link_on_the_way, remove_within, write_whole
from .held import CheckpointError, Place, find_checkpoint
from .identity import Fenced, require_current


class TooManyLosses(Exception):
    """Too many attempts in a row were lost without a new epoch."""


@dataclasses.dataclass(frozen=True)
class Scope(Place):
    """What an attempt is asked for; `start`, `source` and `reset` are `from`, `source` and `reset` of the request."""

    trial: str
    config_hash: str
    start: int = 0
    source: Optional[Mapping[str, Any]] = None
    reset: Optional[int] = None

    @staticmethod
    def of(state_dir: Path, segment: Mapping[str, Any]) -> Scope:
        trial = segment["trial"]
        identity = {key: segment["identity"][key] for key in ("id", "incarnation")}
        return Scope(
            **{"state_dir": state_dir, "study": segment["study"], "identity": identity},
            **{"trial": trial["id"], "start": segment["from"]},
            config_hash=config_hash_of(trial["config"], trial["seed"], segment["metric"], segment.get("metrics", ())),
            **{"source": segment.get("source"), "reset": segment.get("reset")},
        )


class Known(NamedTuple):
    """What is known of a trial: `values` of the epochs after `base`, and as many numbers of each further metric that the
    study names, None where one was not finite."""

    base: int
    values: list[float]
    metrics: Mapping[str, list[Optional[float]]]
    non_finite: Optional[str]

    def curve(self, start: int, stop: Optional[int] = None) -> dict[str, Any]:
        """Those of the epochs after `start` up to `stop`, as they travel: without metrics where the study names none."""
        part = slice(start - self.base, None if stop is None else stop - self.base)
        named = {name: numbers[part] for name, numbers in self.metrics.items()}
        return {"values": self.values[part], **({"metrics": named} if named else {})}


class Claim:
    """One attempt at a trial."""

    def __init__(self, scope: Scope, max_losses: int, alone: bool = True) -> None:
        """Takes the next number and finds out where to go on. `alone`: whether no other trial trains in this worker.
        Raises Fenced, TooManyLosses or CheckpointError."""
        self._scope = scope
        self._root = checkpoint_folder(scope.state_dir, scope.study, scope.trial)
        self._study = study_folder(scope.state_dir, scope.study)
        self._root.mkdir(parents=True, exist_ok=True)
        epoch_file(self._study, scope.trial).parent.mkdir(parents=True, exist_ok=True)
        self._line, self._own = self._take_number()
        self.number = self._own.claim
        self.folder = self._own.path
        self.files = self.folder / "files"
        #: From the study's folder to the trainer's files.
        self._way = self.files.relative_to(self._study)
        self.files.mkdir()
        self.base, values, metrics, self.non_finite = self._line.known
        #: Values of the epochs after `base`, exactly as first reported.
        self.values = list(values)
        self._metrics = {name: list(numbers) for name, numbers in metrics.items()}
        self._resumed = len(self.values)
        self._saved: list[dict[str, Any]] = []
        self._names: set[str] = set()
        resume = self.base + self._resumed
        self._note = {"identity": scope.identity, "resume": resume, "reset": self._line.reset, "alone": alone}
        write_whole(self.folder / "claim.json", json.dumps(self._note, ensure_ascii=False))
        self.start, self.checkpoint = _newest_intact(self._line)
        losses = _count_losses(self._line.attempts)
        try:
            if losses.alone >= max_losses:
                others = f" while it trained alone, and {losses.shared} times beside others" if losses.shared else ""
                raise TooManyLosses(f"lost its worker {losses.alone} times in a row without a new epoch{others}")
            if self.checkpoint is None and self._line.source:
                self._branch_off(self._line.source)
        except (TooManyLosses, CheckpointError, Fenced):
            # The next attempt, asked for by somebody, counts from here.
            self.release()
            raise

    @property
    def advanced(self) -> bool:
        """Whether there is an epoch that was not known before."""
        return len(self.values) > self._resumed or self.non_finite != self._line.known.non_finite

    def share(self) -> None:
        """Notes that another trial trains in the same worker. What cannot be written leaves the stricter note."""
        if not self._note["alone"]:
            return
        self._note["alone"] = False
        try:
            write_whole(self.folder / "claim.json", json.dumps(self._note, ensure_ascii=False))
        except OSError:
            pass

    @property
    def known(self) -> Known:
        return Known(self.base, self.values, self._metrics, self.non_finite)

    def record(
        self,
        epoch: int,
        value: float,
        checkpoint: Optional[str],
        seconds: float,
        others: Mapping[str, Any],
        metrics: Mapping[str, Optional[float]] = {},
    ) -> None:
        """Takes a finished epoch into the curve and makes it last; one already in it keeps its first numbers. `metrics`:
        the further ones that the study names."""
        lines = []
        if epoch == self._next_epoch:
            lines.append(self._epoch_line(seconds, others))
            self.values.append(value)
            for name, number in metrics.items():
                self._metrics.setdefault(name, []).append(number)
        elif checkpoint is None:
            return
        if checkpoint is not None:
            self._record_checkpoint(epoch, checkpoint)
        dropped, self._saved = self._saved[:-2], self._saved[-2:]
        self._publish(lines, [old["name"] for old in dropped])

    def record_divergence(self, non_finite: str, seconds: float, others: Mapping[str, Any]) -> None:
        line = self._epoch_line(seconds, others)
        self.non_finite = non_finite
        self._publish([line], [])

    @property
    def fenced(self) -> Optional[Fenced]:
        """Why this attempt counts no more: there is a newer one, or another study."""
        try:
            require_current(self._study, self._scope.identity)
        except Fenced as error:
            return error
        folders = [folder.path for folder in read_folders(self._root, self._scope.identity)]
        if folders[-1:] == [self.folder]:
            return None
        if self.folder in folders:
            return Fenced(f"attempt {self.number} was overtaken by a newer one")
        gone = "has no folder any more: a newer one has cleared up, or the study was deleted"
        return Fenced(f"attempt {self.number} {gone}")

    def release(self) -> None:
        """Marks an orderly end: not a loss."""
        try:
            (self.folder / "released").touch()
        except FileNotFoundError:
            pass

    def _take_number(self) -> tuple[_Line, Folder]:
        identity = self._scope.identity
        incarnation = identity["incarnation"]
        while True:
            line = _line_of(self._scope, self._root)
            number = max((folder.claim for folder in read_folders(self._root, identity)), default=0) + 1
            own = Folder(self._root / attempt_name(number, identity), number, incarnation)
            try:
                own.path.mkdir()
            except FileExistsError:
                continue
            newer = next((each for each in read_folders(self._root, identity) if each.age > own.age), None)
            if newer is None:
                return line, own
            remove_within(self._root, own.path.name)
            if newer.incarnation > incarnation:
                raise Fenced(f"incarnation {incarnation} of the study was overtaken by {newer.incarnation}")
            # The number was free again because a newer attempt cleared up.

    @property
    def _next_epoch(self) -> int:
        return self.base + len(self.values) + 1

    def _epoch_line(self, seconds: float, others: Mapping[str, Any]) -> str:
        place = {"host": socket.gethostname(), "attempt": self.number, "identity": self._scope.identity}
        return format_epoch_line({"epoch": self._next_epoch, "seconds": seconds, **place, "values": others})

    def _record_checkpoint(self, epoch: int, checkpoint: str) -> None:
        name = os.path.relpath(self.files / checkpoint, self.files)
        if name == "." or name == ".." or name.startswith("../"):
            raise CheckpointError(f'checkpoint "{checkpoint}" is not inside checkpointDir')
        if name in self._names:
            raise CheckpointError(
                f'checkpoint "{checkpoint}" was reported before; every checkpoint needs a name of its own'
            )
        link = link_on_the_way(self._study, str(self._way / name))
        if link is not None:
            self._require_unfenced()
            what = os.path.relpath(link, self._way)
            raise CheckpointError(
                f'checkpoint "{checkpoint}" leads through a link, {"checkpointDir" if what == "." else what}: '
                "it must be a file or folder inside checkpointDir"
            )
        try:
            files = describe_files(self.files, name)
        except FileNotFoundError:
            self._require_unfenced()
            raise CheckpointError(f'checkpoint "{checkpoint}" does not exist in checkpointDir') from None
        except (OSError, ValueError) as error:
            # ValueError: a name that no file can have.
            self._require_unfenced()
            raise CheckpointError(f'checkpoint "{checkpoint}" cannot be read: {error}') from error
        self._names.add(name)
        self._saved.append({"epoch": epoch, "name": name, "files": files})

    def _branch_off(self, source: Mapping[str, Any]) -> None:
        """Copies the checkpoint that `source` names and starts there: the copy counts as the trial's own of the epoch
        `from`. It is published: the next attempt has it too."""
        found = find_checkpoint(self._scope, source["trial"], source["epoch"])
        folder = f"from-{source['trial']}"
        if not found or not copy_files(found["root"], found["files"], self.files / folder):
            raise CheckpointError(
                f"trial {self._scope.trial} starts from trial {source['trial']}'s checkpoint of epoch {source['epoch']}, "
                "and there is none that is intact: it must be reported by the trainer, and held or still among the last two"
            )
        self._record_checkpoint(source["from"], f"{folder}/{found['name']}")
        self.start, self.checkpoint = source["from"], self.files / folder / found["name"]
        self._publish([], [])

    def _require_unfenced(self) -> None:
        fenced = self.fenced
        if fenced:
            raise fenced

    def _publish(self, lines: list[str], dropped: list[str]) -> None:
        self._require_unfenced()
        source, configuration = self._line.source, self._scope.config_hash
        manifest = {
            **{"identity": self._scope.identity, "configHash": configuration, "source": source},
            **self.known.curve(self.base),
            **{"nonFinite": self.non_finite, "checkpoints": self._saved},
        }
        try:
            # First, for what is published is not trained again. A line too many is taken back by those that follow.
            if lines:
                append_epochs(epoch_file(self._study, self._scope.trial), lines)
            write_manifest(self.folder, manifest)
        except OSError:
            # A newer attempt has published and cleared up.
            self._require_unfenced()
            raise
        for name in dropped:
            remove_within(self._study, str(self._way / name))
        self._clear_up()

    def _clear_up(self) -> None:
        """Removes what the manifest has made superfluous; two checkpoints stay in all."""
        # Without a new epoch the earlier attempts are still the evidence of losses in a row.
        if len(self.values) == self._resumed and self.non_finite is None:
            return
        kept = len(self._saved)
        for attempt in reversed(read_attempts(self._root, self._scope.identity)):
            if attempt.age >= self._own.age:
                continue
            ours = _is_of(attempt, self._scope.config_hash, self._line.source)
            usable = len(attempt.manifest["checkpoints"]) if attempt.manifest and ours else 0
            # What this attempt started from is known to be good; others are only believed to be.
            started = self.checkpoint is not None and attempt.path in self.checkpoint.parents
            if self.checkpoint is not None and len(self._saved) < 2 and (started or (kept < 2 and usable > 0)):
                kept += usable
            else:
                remove_within(self._root, attempt.path.name)


class _Line(NamedTuple):
    """What a request goes on from."""

    #: Of the same reset: the one asked for, or that of the newest attempt.
    attempts: list[Attempt]
    reset: Optional[int]
    #: Those of `attempts` that trained this configuration from this source.
    members: list[Attempt]
    source: Optional[Mapping[str, Any]]
    known: Known


def read_known(scope: Scope) -> Known:
    """What earlier attempts found out, without starting one."""
    return _line_of(scope, checkpoint_folder(scope.state_dir, scope.study, scope.trial)).known


def _line_of(scope: Scope, root: Path) -> _Line:
    every = read_attempts(root, scope.identity)
    reset = scope.reset
    if reset is None and every:
        reset = every[-1].note["reset"]
    attempts = [attempt for attempt in every if attempt.note["reset"] == reset]
    source: Optional[Mapping[str, Any]] = None
    if scope.source:
        source = {"trial": scope.source["trial"], "epoch": scope.source["epoch"], "from": scope.start}
    else:
        # It goes on from where the last source led; a request that comes before that knows nothing of it.
        for attempt in reversed(attempts):
            manifest = attempt.manifest
            if manifest is None or manifest["configHash"] != scope.config_hash:
                continue
            if manifest["source"] is None or manifest["source"]["from"] < scope.start:
                source = manifest["source"]
                break
    members = [attempt for attempt in attempts if _is_of(attempt, scope.config_hash, source)]
    # The curve of the newest attempt that published one: an overtaken attempt has no say any more.
    newest = members[-1].manifest if members else None
    empty: dict[str, Any] = {"values": [], "nonFinite": None}
    return _Line(attempts, reset, members, source, _known_by(newest or empty, base_of(source)))


def _known_by(manifest: Mapping[str, Any], base: int) -> Known:
    return Known(base, manifest["values"], manifest.get("metrics", {}), manifest["nonFinite"])


def _is_of(attempt: Attempt, config_hash: str, source: Optional[Mapping[str, Any]]) -> bool:
    manifest = attempt.manifest
    return manifest is not None and manifest["configHash"] == config_hash and manifest["source"] == source


def _newest_intact(line: _Line) -> tuple[int, Optional[Path]]:
    """The checkpoint of the latest epoch whose files are intact and whose curve is the beginning of what is known."""
    base = line.known.base
    last = base + len(line.known.values)
    candidates = []
    for attempt in line.members:
        assert attempt.manifest
        for checkpoint in attempt.manifest["checkpoints"]:
            epoch: int = checkpoint["epoch"]
            own, until = _known_by(attempt.manifest, base), max(base, epoch)
            if epoch <= last and own.curve(base, until) == line.known.curve(base, until):
                candidates.append((epoch, attempt.age, attempt.path / "files", checkpoint))
    for epoch, _, files, checkpoint in sorted(candidates, key=lambda each: each[:2], reverse=True):
        if files_are_intact(files, checkpoint["files"]):
            return epoch, files / checkpoint["name"]
    return 0, None


class _Losses(NamedTuple):
    """Attempts, counted from the newest, that ended neither in an orderly way nor with a new epoch."""

    #: Those that were alone in their worker; one of an earlier version, which has no note of it, counts as alone.
    alone: int
    #: Those that others trained beside, any of which may have taken the worker along.
    shared: int


#: So many losses beside others, and a trial is tried alone, until it has a new epoch.
_SHARED_LOSSES = 2


def tries_alone(scope: Scope) -> bool:
    """Whether a trial has to be alone in its worker, so that it shows whether it is the one that takes workers along."""
    line = _line_of(scope, checkpoint_folder(scope.state_dir, scope.study, scope.trial))
    return _count_losses(line.attempts).shared >= _SHARED_LOSSES


def _count_losses(attempts: list[Attempt]) -> _Losses:
    losses = {True: 0, False: 0}
    for attempt in reversed(attempts):
        manifest = attempt.manifest
        news = manifest and base_of(manifest["source"]) + len(manifest["values"]) > attempt.note["resume"]
        if attempt.released or news:
            break
        losses[attempt.note.get("alone") is not False] += 1
    return _Losses(losses[True], losses[False])
