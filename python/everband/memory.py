"""Whether the kernel has killed for want of memory, as the cgroup of a process counts it (trainers/memory.ts)."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Optional

#: Kills that were put down to a trainer already, by the file that counts them: one kill is one failure's reason.
_taken: dict[Path, int] = {}
_lock = threading.Lock()


class MemoryWatch:
    """Looks at the kills in a process's cgroup from here on. `root` stands in front of /proc and /sys/fs/cgroup."""

    def __init__(self, pid: int, root: Path = Path("/")) -> None:
        self._file = _file_of(pid, root)
        self._before = (_kills_in(self._file) or 0) if self._file else 0

    def killed(self) -> bool:
        """Whether there was a kill since that no other watch has taken for its own."""
        if self._file is None:
            return False
        with _lock:
            known = max(self._before, _taken.get(self._file, 0))
            if (_kills_in(self._file) or 0) <= known:
                return False
            _taken[self._file] = known + 1
            return True


def _file_of(pid: int, root: Path) -> Optional[Path]:
    """The file that counts the kills in a process's cgroup; None where there is none, as outside Linux."""
    mounts = root / "sys/fs/cgroup"
    for line in _read(root / "proc" / str(pid) / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, cgroup = rest.partition(":")
        below = cgroup.lstrip("/")
        # Inside a container the path may be the host's, and what is mounted is the container's own cgroup.
        if controllers == "":
            names = [f"{below}/memory.events", "memory.events"]
        elif "memory" in controllers.split(","):
            names = [f"memory/{below}/memory.oom_control", "memory/memory.oom_control"]
        else:
            names = []
        for name in names:
            if _kills_in(mounts / name.lstrip("/")) is not None:
                return mounts / name.lstrip("/")
    return None


def _kills_in(file: Path) -> Optional[int]:
    match = re.search(r"^oom_kill (\d+)$", _read(file), re.MULTILINE)
    return int(match[1]) if match else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
