"""What a cgroup tells, for both versions: the same folders are read in test/trainers/memory.test.ts."""

from pathlib import Path

from everband.memory import MemoryWatch


def write(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def v2(kills: int) -> str:
    return f"low 0\nhigh 0\nmax 12\noom 4\noom_kill {kills}\noom_group_kill 0\n"


def v1(kills: int) -> str:
    return f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"


def test_version_2_counts_and_each_kill_is_the_reason_of_one_failure(tmp_path: Path) -> None:
    write(tmp_path, "proc/7/cgroup", "0::/user/job\n")
    write(tmp_path, "sys/fs/cgroup/user/job/memory.events", v2(3))
    one, other = MemoryWatch(7, tmp_path), MemoryWatch(7, tmp_path)
    assert not one.killed()
    write(tmp_path, "sys/fs/cgroup/user/job/memory.events", v2(4))
    assert (one.killed(), other.killed()) == (True, False)
    assert not MemoryWatch(7, tmp_path).killed()
    write(tmp_path, "sys/fs/cgroup/user/job/memory.events", v2(5))
    assert other.killed()


def test_version_1_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/7/cgroup", "8:pids:/\n4:cpu,memory:/job\n0::/\n")
    write(tmp_path, "sys/fs/cgroup/memory/job/memory.oom_control", v1(0))
    watch = MemoryWatch(7, tmp_path)
    write(tmp_path, "sys/fs/cgroup/memory/job/memory.oom_control", v1(1))
    assert watch.killed()


def test_a_container_whose_path_is_the_one_of_the_host(tmp_path: Path) -> None:
    write(tmp_path, "proc/7/cgroup", "0::/../../kubepods/pod1\n")
    write(tmp_path, "sys/fs/cgroup/memory.events", v2(0))
    watch = MemoryWatch(7, tmp_path)
    write(tmp_path, "sys/fs/cgroup/memory.events", v2(1))
    assert watch.killed()


def test_nothing_is_known_without_a_cgroup(tmp_path: Path) -> None:
    assert not MemoryWatch(7, tmp_path).killed()
