"""Files of checkpoints: described by size and digest, published by rename. Trainers write beside them, so no link is
followed on the way to a file that is read, copied or removed: what lies behind one is not ours (trainers/checkpoint-files.ts).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import uuid
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Iterable, Iterator, Optional, Sequence

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: Nothing of that name, or no folder.
_NONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class PlaceError(Exception):
    """A name that cannot be one, or a place that leads out of the folder it belongs to."""


def within(root: Path, *names: str) -> Path:
    """The place `names` below `root`, which may itself be a symbolic link (trust/places.ts).

    Raises PlaceError for a name that is none, and where one of the folders is a link.
    """
    place = root
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", name):
            raise PlaceError(f"{name!r} cannot be the name of a file or folder")
        place = place / name
        if place.is_symlink():
            raise PlaceError(
                f"{place} is a symbolic link, and what Everband writes and removes is below {root} itself. Fix: put a folder "
                "in its place, or set EVERBAND_HOME to the folder that all of it is to be in"
            )
    return place


def describe_files(root: Path, name: str) -> list[dict[str, Any]]:
    """Digests of a file, or of every file below a folder, in a fixed order, all of them safely on disk."""
    with _inside(root, name) as (parent, last):
        try:
            folder = os.open(last, _FOLDER, dir_fd=parent)
        except OSError as error:
            if error.errno not in _NONE:
                raise
            children = None
        else:
            try:
                os.fsync(folder)
                children = sorted(os.listdir(folder))
            finally:
                os.close(folder)
    if children is None:
        return [_digest_file(root, name)]
    return [each for child in children for each in describe_files(root, f"{name}/{child}")]


def files_are_intact(root: Path, files: Iterable[dict[str, Any]]) -> bool:
    """Is every file there, as long as it was and with the same content?"""
    try:
        for known in files:
            with _open(root, known["path"]) as file:
                if os.fstat(file.fileno()).st_size != known["size"]:
                    return False
            if _digest_file(root, known["path"])["sha256"] != known["sha256"]:
                return False
        return True
    except (OSError, PlaceError, KeyError, TypeError, ValueError):
        return False


def copy_files(source: Path, files: list[dict[str, Any]], target: Path, linked: bool = False) -> bool:
    """Puts the files of a checkpoint below another folder and sees that the same came out.

    `linked` takes no room: for what nobody writes to.
    """
    try:
        for known in files:
            other = target / known["path"]
            other.parent.mkdir(parents=True, exist_ok=True)
            if linked and _link(source, known["path"], other):
                continue
            with _open(source, known["path"]) as one, open(other, "wb") as copy:
                shutil.copyfileobj(one, copy, 1 << 20)
    except OSError as error:
        # Its trial may have gone on meanwhile and removed it.
        if error.errno not in _NONE:
            raise
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


def link_on_the_way(root: Path, name: str) -> Optional[str]:
    """The first part of the way from `root` to `name` below it, `name` included, that is a link; None: there is none."""
    parts = _parts(root, name)
    ways = [os.path.join(*parts[: length + 1]) for length in range(len(parts))]
    return next((way for way in ways if os.path.islink(root / way)), None)


def remove_within(root: Path, name: str) -> None:
    """Removes the file or folder `name` below `root`, if it is there. Links are removed, never followed, and nothing at
    all happens when one leads to `name`: whatever a trainer puts into a study's folder, nothing outside is lost."""
    *parts, last = _parts(root, name)
    try:
        with _within(root, parts) as folder:
            _remove_entry(folder, last)
    except OSError as error:
        if error.errno not in _NONE:
            raise


def _remove_entry(parent: int, name: str) -> None:
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno not in _NONE:
            raise
        remove = os.unlink
    else:
        try:
            for child in os.listdir(folder):
                _remove_entry(folder, child)
        finally:
            os.close(folder)
        remove = os.rmdir
    with contextlib.suppress(FileNotFoundError):
        remove(name, dir_fd=parent)


@contextlib.contextmanager
def _within(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """Goes down from `root`, through folders alone, and opens the last one."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def _inside(root: Path, name: str) -> Iterator[tuple[int, str]]:
    """The open folder that has `name` below `root`, and its name there; `root` itself is no link either."""
    *parts, last = _parts(root, name)
    with _within(root.parent, [root.name, *parts]) as folder:
        yield folder, last


@contextlib.contextmanager
def _open(root: Path, name: str) -> Iterator[BinaryIO]:
    """A file, for reading. Raises OSError for what is no file, is a link, or is behind one."""
    with _inside(root, name) as (folder, last):
        try:
            # Without waiting: what was a file may be a pipe by now.
            descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            # A link, and a socket.
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise OSError(f"{name} is neither a file nor a folder") from None
            raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name} is neither a file nor a folder")
    with open(descriptor, "rb") as file:
        yield file


def _parts(root: Path, name: str) -> list[str]:
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise PlaceError(f'"{name}" is not inside {root}')
    return list(path.parts)


def _link(root: Path, name: str, target: Path) -> bool:
    try:
        with _inside(root, name) as (folder, last):
            os.link(last, target, src_dir_fd=folder, follow_symlinks=False)
        return True
    except (OSError, PlaceError, KeyError, TypeError, ValueError):
        return False


def _digest_file(root: Path, name: str) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with _open(root, name) as file:
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
