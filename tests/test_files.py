"""A file is the old one or the new one, whole."""

import errno
import os
import stat

import pytest

from medvl.files import PIECE, content_digest, remove_leftovers, write_atomic, write_text_atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "made" / "state.json"
    assert write_text_atomic(path, "old é\n") == path
    write_text_atomic(path, "new\n")
    assert path.read_bytes() == b"new\n" and names(path.parent) == ["state.json"]


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, moment):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"old and whole")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(file):
        file.write(b"half")
        if moment == "write":
            full()

    if moment != "write":
        monkeypatch.setattr(os, moment, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, write)
    assert path.read_bytes() == b"old and whole" and names(tmp_path) == ["last.ckpt"]


def test_an_interrupt_leaves_nothing(tmp_path):
    def write(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", write)
    assert names(tmp_path) == []


def test_synced_before_it_is_renamed(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("sync"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("rename"), replace(*paths)))
    write_text_atomic(tmp_path / "file", "text")
    assert calls == ["sync", "rename", "sync"]


def test_readable_by_whom_the_umask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        path = write_text_atomic(tmp_path / "file", "text")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(tmp_path):
    (tmp_path / f".last.ckpt.{'0a' * 16}.tmp").touch()
    for kept in ("last.ckpt", ".notes.tmp", ".tmp", "x.tmp"):
        (tmp_path / kept).touch()
    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == [".notes.tmp", ".tmp", "last.ckpt", "x.tmp"]


def test_a_digest_sees_a_change_at_either_end_and_in_the_middle(tmp_path):
    path, content = tmp_path / "big", bytearray(8 * PIECE)
    digests = set()
    for place in (None, 0, 4 * PIECE, 8 * PIECE - 1):
        changed = bytearray(content)
        if place is not None:
            changed[place] = 1
        path.write_bytes(changed)
        digests.add(content_digest(path))
    path.write_bytes(content[:-1])
    assert len(digests | {content_digest(path)}) == 5
