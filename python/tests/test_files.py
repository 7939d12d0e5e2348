"""Files beside which a trainer writes: test/trainers/checkpoint-files.test.ts has the same cases."""

from pathlib import Path

import pytest

from everband.files import PlaceError, copy_files, describe_files, link_on_the_way, remove_within


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for file in (root / "a" / "b" / "one", root / "a" / "two", outside / "b" / "one"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text")
    return root, outside


def test_a_file_or_a_whole_folder_is_removed(places: tuple[Path, Path]) -> None:
    root, _ = places
    remove_within(root, "a/two")
    assert [each.name for each in (root / "a").iterdir()] == ["b"]
    remove_within(root, "a")
    remove_within(root, "a/b/one")
    assert list(root.iterdir()) == []
    remove_within(root / "nowhere", "a")


def test_nothing_behind_a_link_is_removed(places: tuple[Path, Path]) -> None:
    root, outside = places
    for link in (root / "link", root / "a" / "link"):
        link.symlink_to(outside)
    for name in ("link/b/one", "link/b", "a", "link"):
        remove_within(root, name)
    assert list(root.iterdir()) == []
    assert (outside / "b" / "one").exists()


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/tmp", "", "."])
def test_nothing_above_the_folder_is_removed(name: str, places: tuple[Path, Path]) -> None:
    root, outside = places
    with pytest.raises(PlaceError, match="is not inside"):
        remove_within(root, name)
    assert (outside / "b" / "one").exists()


def test_nothing_behind_a_link_is_described_or_copied(places: tuple[Path, Path]) -> None:
    root, outside = places
    files = describe_files(root, "a")
    assert [file["path"] for file in files] == ["a/b/one", "a/two"]
    remove_within(root, "a/b")
    (root / "a" / "b").symlink_to(outside / "b")
    with pytest.raises(OSError):
        describe_files(root, "a/b/one")
    with pytest.raises(OSError, match="a/b is neither a file nor a folder"):
        describe_files(root, "a")
    assert not copy_files(root, files, root / "copy")
    assert not copy_files(root, files, root / "links", linked=True)
    assert link_on_the_way(root, "a/b/one") == "a/b"
    assert link_on_the_way(root, "a/two") is None
