"""Checkpoints kept for other trials: `<state>/studies/<study>/held/<trial>/e<epoch>-<study id's digest>/` (trainers/held.ts)."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from pathlib import Path
from typing import Any, Mapping, Optional

from .attempts import checkpoint_folder, read_attempts, study_digest, study_folder
from .files import copy_files, files_are_intact, read_json, remove_within, within, write_whole
from .identity import Identity


class CheckpointError(Exception):
    """A checkpoint that a trainer named, or that a trial was to start from, cannot be used."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Which study, and where."""

    state_dir: Path
    study: str
    identity: Identity


def hold_checkpoint(place: Place, trial: str, epoch: int) -> None:
    """Keeps the trial's checkpoint of exactly this epoch until it is released; done before, nothing happens."""
    folder = _held_folder(place, trial, epoch)
    if folder.exists():
        return
    found = find_checkpoint(place, trial, epoch)
    temporary = folder.with_name(f"{folder.name}.{uuid.uuid4()}.new")
    try:
        if not found or not copy_files(found["root"], found["files"], temporary / "files", linked=True):
            raise CheckpointError(
                f"the checkpoint of epoch {epoch} of trial {trial} is to be kept for others, and there is none that is "
                "intact: its trainer must report one at this epoch"
            )
        temporary.mkdir(parents=True, exist_ok=True)
        held = {"epoch": epoch, "name": found["name"], "files": found["files"]}
        write_whole(temporary / "checkpoint.json", json.dumps(held, ensure_ascii=False))
        os.rename(temporary, folder)
    except (CheckpointError, OSError):
        remove_within(folder.parent, temporary.name)
        # Another attempt was faster.
        if not folder.exists():
            raise


def find_checkpoint(place: Place, trial: str, epoch: int) -> Optional[Mapping[str, Any]]:
    """An intact checkpoint of the trial of exactly this epoch: a held one, else one of its newest attempts."""
    candidates: list[dict[str, Any]] = []
    folder = _held_folder(place, trial, epoch)
    held = read_json(folder / "checkpoint.json")
    if held:
        candidates.append({**held, "root": folder / "files"})
    root = checkpoint_folder(place.state_dir, place.study, trial)
    for attempt in reversed(read_attempts(root, place.identity)):
        manifest = attempt.manifest
        # Up to where it left its trial's own line, it has another trial's state.
        if manifest is None or (manifest["source"] and epoch <= manifest["source"]["from"]):
            continue
        for checkpoint in manifest["checkpoints"]:
            if checkpoint["epoch"] == epoch:
                candidates.append({**checkpoint, "root": attempt.path / "files"})
    return next((each for each in candidates if files_are_intact(each["root"], each["files"])), None)


def _held_folder(place: Place, trial: str, epoch: int) -> Path:
    folder = f"e{epoch}-{study_digest(place.identity)}"
    return within(study_folder(place.state_dir, place.study), "held", trial, folder)
