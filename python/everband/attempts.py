"""The layout of checkpoints, the same for workers in TypeScript and in Python (trainers/attempts.ts; both are held to
test/fixtures/checkpoints): `<state>/studies/<study>/checkpoints/<trial>/a<claim>-<study id's digest>.<incarnation>/` with

- `claim.json`: what the attempt started from; `released`: it ended in an orderly way
- `files/`: where its trainer writes
- `manifest.jsonl`: the values of the epochs so far and the last two checkpoints; a second line holds its digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from .canonical import canonical_json
from .files import read_json, within, write_whole
from .identity import Identity


@dataclasses.dataclass(frozen=True)
class Folder:
    """An attempt's folder, by its name alone."""

    path: Path
    claim: int
    incarnation: int

    @property
    def age(self) -> tuple[int, int]:
        """Greater for the newer attempt: a later incarnation's come after all of an earlier one."""
        return self.incarnation, self.claim


@dataclasses.dataclass(frozen=True)
class Attempt(Folder):
    note: Mapping[str, Any]
    released: bool
    manifest: Optional[dict[str, Any]]


def study_folder(state_dir: Path, study: str) -> Path:
    return within(state_dir, "studies", study)


def checkpoint_folder(state_dir: Path, study: str, trial: str) -> Path:
    return within(study_folder(state_dir, study), "checkpoints", trial)


def study_digest(identity: Identity) -> str:
    """Tells one study from another in a folder's name."""
    return _sha256(identity["id"])[:12]


def attempt_name(claim: int, identity: Identity) -> str:
    return f"a{claim}-{study_digest(identity)}.{identity['incarnation']}"


def read_folders(root: Path, identity: Identity) -> list[Folder]:
    """The attempts of this study, oldest first."""
    digest = study_digest(identity)
    folders = []
    try:
        names = os.listdir(root)
    except (FileNotFoundError, NotADirectoryError):
        return []
    for name in names:
        match = re.fullmatch(r"a([0-9]+)-([0-9a-f]{12})\.([0-9]+)", name)
        if match and match[2] == digest:
            folders.append(Folder(root / name, int(match[1]), int(match[3])))
    return sorted(folders, key=lambda folder: folder.age)


def read_attempts(root: Path, identity: Identity) -> list[Attempt]:
    """What `read_folders` finds, with its contents."""
    note: Mapping[str, Any] = {"resume": 0, "reset": None}
    attempts = []
    for folder in read_folders(root, identity):
        # One that ended before it wrote its note must not bring back what a reset forgot.
        note = _read_note(folder.path / "claim.json") or note
        manifest = _read_manifest(folder.path / "manifest.jsonl")
        if manifest and manifest["identity"]["id"] != identity["id"]:
            manifest = None
        released = (folder.path / "released").exists()
        attempts.append(Attempt(folder.path, folder.claim, folder.incarnation, note, released, manifest))
    return attempts


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """A digest over its bytes goes with it: a curve cut short or altered must not pass for the truth."""
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    seal = json.dumps({"sha256": _sha256(text)})
    write_whole(folder / "manifest.jsonl", f"{text}\n{seal}\n")


def config_hash_of(config: Any, seed: int, metric: str, metrics: Sequence[str] = ()) -> str:
    """What must be the same for a checkpoint to be of use. `metrics`: further ones that the study names."""
    named = {"metrics": list(metrics)} if metrics else {}
    return _sha256(canonical_json({"config": config, "seed": seed, "metric": metric, **named}))


def base_of(source: Optional[Mapping[str, Any]]) -> int:
    """The epoch before the first of a manifest's values."""
    return source["from"] if source else 0


def _read_note(path: Path) -> Optional[dict[str, Any]]:
    """None for one that is not there, or is none."""
    note = read_json(path)
    if not isinstance(note, dict) or isinstance(note.get("resume"), bool) or not isinstance(note.get("resume"), int):
        return None
    reset = note.get("reset", "")
    return note if reset is None or isinstance(reset, (int, float)) else None


def _read_manifest(path: Path) -> Optional[dict[str, Any]]:
    try:
        text, seal, *_ = path.read_text(encoding="utf-8").split("\n")
        manifest: dict[str, Any] = json.loads(text)
        return manifest if json.loads(seal)["sha256"] == _sha256(text) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
