"""One holder of a folder at a time: the next waits, or is told who it is."""

import os
import threading

import pytest

from medvl.lock import FolderInUse, hold


def test_waits_for_the_holder(tmp_path):
    folder, entered = tmp_path / "made", threading.Event()

    def wait():
        with hold(folder, wait=True):
            entered.set()

    thread = threading.Thread(target=wait)
    with hold(folder, wait=True):
        thread.start()
        assert not entered.wait(0.1)
    thread.join(10)
    assert entered.is_set()


def test_says_who_holds_it(tmp_path):
    told = pytest.raises(FolderInUse, match=rf"{tmp_path} is being written by another run \(process {os.getpid()}\)")
    with hold(tmp_path, wait=False), told, hold(tmp_path, wait=False):
        pass
    with hold(tmp_path, wait=False):  # free again
        pass
