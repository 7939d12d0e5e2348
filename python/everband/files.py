"""Files of checkpoints: described by size and digest, published by rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import uuid
from pathlib import Path
from typing import Any, Iterable, Optional


def describe_files(root: Path, name: str) -> list[dict[str, Any]]:
    """Digests of a file, or of every file below a folder, in a fixed order, all of them safely on disk."""
    path = root / name
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        below = [each for child in sorted(os.listdir(path)) for each in describe_files(root, f"{name}/{child}")]
        _sync_folder(path)
        return below
    # Something that points elsewhere would not be covered by the digest.
    if not stat.S_ISREG(mode):
        raise OSError(f"{name} is neither a file nor a folder")
    return [_digest_file(root, name)]


def files_are_intact(root: Path, files: Iterable[dict[str, Any]]) -> bool:
    """Is every file there, as long as it was and with the same content?"""
    try:
        for known in files:
            status = (root / known["path"]).lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != known["size"]:
                return False
            if _digest_file(root, known["path"])["sha256"] != known["sha256"]:
                return False
        return True
    except OSError:
        return False


def copy_files(source: Path, files: list[dict[str, Any]], target: Path, linked: bool = False) -> bool:
    """Puts the files of a checkpoint below another folder and sees that the same came out.

    `linked` takes no room: for what nobody writes to.
    """
    try:
        for known in files:
            one, other = source / known["path"], target / known["path"]
            other.parent.mkdir(parents=True, exist_ok=True)
            if not (linked and _link(one, other)):
                shutil.copyfile(one, other)
    except FileNotFoundError:
        # Its trial may have gone on meanwhile and removed it.
        return False
    return files_are_intact(target, files)


def write_whole(path: Path, text: str) -> None:
    """Writes a file whole or not at all, and so that it survives a power cut."""
    # Two processes may write the same file at once: the last one has it, whole.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4()}.new")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        # A full disk is not to be filled with what did not fit.
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_json(path: Path) -> Optional[Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
        return True
    except OSError:
        return False


def _digest_file(root: Path, name: str) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with open(os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
        os.fsync(file.fileno())
    return {"path": name, "size": size, "sha256": digest.hexdigest()}


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
