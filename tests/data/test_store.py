import csv
import json
import logging
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.cache import cache_folder
from medvl.data.dataset import Dataset
from medvl.data.decode import Decode
from medvl.data.shards import SHARD_IMAGES, pixel_hash
from medvl.data.store import ImageStore, build_store
from medvl.errors import DataError

SIDE = 8
IMAGES = 2 * SHARD_IMAGES + 300  # three shards


def pixels_of(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, (SIDE, SIDE), np.uint8)


class Counted(Dataset):
    """Random images by number; records which were decoded."""

    def __init__(self, images: int, unreadable: tuple[int, ...] = (), absent: tuple[int, ...] = ()) -> None:
        self.images, self.unreadable, self.absent = images, set(unreadable), set(absent)
        self.decoded: list[int] = []
        self.lock = threading.Lock()

    @property
    def references(self) -> list[str]:
        return [f"{row}.png" for row in range(self.images)]

    def table(self):
        return pa.table({"image": self.references})

    def read_image(self, reference):
        row = int(reference.removesuffix(".png"))
        with self.lock:
            self.decoded.append(row)
        if row in self.unreadable:
            raise DataError(f"{reference}: is damaged")
        return pixels_of(row)

    def missing(self, references):
        return [place for place, name in enumerate(references) if int(name.removesuffix(".png")) in self.absent]

    def fingerprint(self):
        return f"counted {self.images}"


def build(dataset, folder, **options):
    return build_store(dataset, dataset.references, **{"side": SIDE, "fit": "crop", "folder": folder, **options})


@pytest.fixture(scope="module")
def three_shards(tmp_path_factory):
    return build(Counted(IMAGES), tmp_path_factory.mktemp("store"))


def test_every_image_is_decoded_once_and_kept(tmp_path):
    dataset = Counted(IMAGES)
    told = []
    store = build(dataset, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert sorted(dataset.decoded) == list(range(IMAGES))
    assert len(store) == IMAGES and store.side == SIDE and store.good.all()
    rows = np.array([0, SHARD_IMAGES - 1, SHARD_IMAGES, IMAGES - 1])
    np.testing.assert_array_equal(store.read(rows), [pixels_of(row) for row in rows])
    assert told == sorted(told) and told[-1] == (IMAGES, IMAGES)

    again = Counted(IMAGES)
    build(again, tmp_path)
    assert again.decoded == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, IMAGES - 1), max_size=60), st.booleans())
def test_read_gives_rows_in_the_order_asked(three_shards, rows, ascending):
    rows = np.array(sorted(rows) if ascending else rows, np.int64)
    expected = np.array([pixels_of(row) for row in rows], np.uint8).reshape(-1, SIDE, SIDE)
    np.testing.assert_array_equal(three_shards.read(rows), expected)
    buffer = np.empty((len(rows), SIDE, SIDE), np.uint8)
    assert three_shards.read(rows, out=buffer) is buffer
    np.testing.assert_array_equal(buffer, expected)


@pytest.mark.parametrize("row", [-1, IMAGES])
def test_a_row_out_of_range_is_refused(three_shards, row):
    with pytest.raises(IndexError, match=str(IMAGES)):
        three_shards.read(np.array([0, row]))


def test_images_are_scaled_to_the_side(tmp_path):
    store = build(Counted(5), tmp_path, side=4, fit="pad")
    assert store.read(np.arange(5)).shape == (5, 4, 4)


def test_another_side_fit_or_dataset_is_another_store(tmp_path):
    folders = {
        build(Counted(5), tmp_path).folder,
        build(Counted(5), tmp_path, side=4).folder,
        build(Counted(5), tmp_path, fit="pad").folder,
        build(Counted(6), tmp_path).folder,
        build(Counted(5), tmp_path, decode=Decode(exact=True)).folder,
        build(Counted(5), tmp_path, decode=Decode(window=1)).folder,
    }
    assert len(folders) == 6
    assert build(Counted(5), tmp_path, decode=Decode()).folder == build(Counted(5), tmp_path).folder


class Scaling(Counted):
    """Gives finished squares when a store asks."""

    asked = None

    def for_store(self, side, fit, decode):
        reader = Scaling(self.images)
        reader.asked = (side, fit, decode)
        return reader

    def read_image(self, reference):
        side, _, _ = self.asked
        return np.full((side, side), 40 + int(reference.removesuffix(".png")), np.uint8)


def test_a_dataset_may_give_finished_squares(tmp_path):
    store = build(Scaling(5), tmp_path, side=6, decode=Decode(window=1))
    assert (store.read(np.arange(5)) == np.arange(40, 45)[:, None, None]).all()


def test_the_manifest_says_how_files_were_decoded(tmp_path):
    store = build(Counted(5), tmp_path, decode=Decode(jpeg2000="reduced"))
    manifest = json.loads((store.folder / "manifest.json").read_text())
    assert manifest["decode"] == {"window": 0, "exact": False, "jpeg2000": "reduced"}
    assert {"pillow", "pydicom"} <= set(manifest["decoders"])


class Repeating(Counted):
    """Rows 100 apart show the same image."""

    def read_image(self, reference):
        return super().read_image(f"{int(reference.removesuffix('.png')) % 100}.png")


def test_equal_images_have_equal_hashes(tmp_path):
    hashes = build(Repeating(250, unreadable=(7,)), tmp_path, max_bad=0.1).hashes
    assert hashes.dtype == np.uint64 and hashes.shape == (250,)
    assert (hashes[:50] == hashes[100:150]).all() and (hashes[:50] == hashes[200:]).all()
    readable = np.delete(hashes[:100], 7)
    assert hashes[7] == 0 and (readable != 0).all() and len(np.unique(readable)) == 99


def test_hashes_go_through_all_shards(three_shards):
    hashes = three_shards.hashes
    assert len(np.unique(hashes)) == IMAGES
    rows = np.array([0, SHARD_IMAGES, IMAGES - 1])
    assert [pixel_hash(pixels) for pixels in three_shards.read(rows)] == hashes[rows].tolist()


def test_arrow_references(tmp_path):
    dataset = Counted(5)
    store = build_store(dataset, dataset.table().column("image"), side=SIDE, fit="crop", folder=tmp_path)
    assert store.folder == build(Counted(5), tmp_path).folder


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.data.test_store import IMAGES, SHARD_IMAGES, Counted, build

class Killed(Counted):
    def read_image(self, reference):
        if reference == f"{SHARD_IMAGES + 700}.png":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read_image(reference)

build(Killed(IMAGES), Path(sys.argv[1]))
"""


def test_killed_and_called_again_loses_one_shard(tmp_path, three_shards):
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    with pytest.raises(DataError, match="not a finished image store"):
        ImageStore(folder)

    dataset = Counted(IMAGES)
    store = build(dataset, tmp_path)
    assert min(dataset.decoded) == SHARD_IMAGES
    rows = np.arange(IMAGES)
    np.testing.assert_array_equal(store.read(rows), three_shards.read(rows))
    assert not list(folder.glob("*.tmp"))


KILLED_IN_MENDING = """
import os, signal, sys
from pathlib import Path
from medvl.data import store_build
from tests.data.test_store import IMAGES, Counted, build

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

store_build.write_record = kill
build(Counted(IMAGES), Path(sys.argv[1]), verify=True)
"""


def test_killed_while_mending_leaves_no_record_of_other_bytes(tmp_path):
    store = build(Counted(IMAGES), tmp_path)
    shard = store.folder / "shard-00001.u8"
    content = bytearray(shard.read_bytes())
    content[0] ^= 1
    shard.write_bytes(content)
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_MENDING, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    dataset = Counted(IMAGES)
    assert build(dataset, tmp_path).verify() == []
    assert sorted(dataset.decoded) == list(range(SHARD_IMAGES, 2 * SHARD_IMAGES))


def test_a_shard_cut_short_is_built_again_and_said(tmp_path, caplog):
    store = build(Counted(IMAGES), tmp_path)
    shard = store.folder / "shard-00001.u8"
    shard.write_bytes(shard.read_bytes()[:-1])
    dataset = Counted(IMAGES)
    with caplog.at_level(logging.WARNING):
        mended = build(dataset, tmp_path)
    assert sorted(dataset.decoded) == list(range(SHARD_IMAGES, 2 * SHARD_IMAGES))
    assert "shard-00001.u8" in caplog.text and "built again" in caplog.text
    np.testing.assert_array_equal(mended.read(np.array([SHARD_IMAGES]))[0], pixels_of(SHARD_IMAGES))


def test_changed_bytes_are_found_and_mended_on_request(tmp_path, caplog):
    store = build(Counted(IMAGES), tmp_path)
    shard = store.folder / "shard-00002.u8"
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    assert ImageStore(store.folder).verify() == [shard]
    dataset = Counted(IMAGES)
    with caplog.at_level(logging.WARNING):
        mended = build(dataset, tmp_path, verify=True)
    assert min(dataset.decoded) == 2 * SHARD_IMAGES
    assert "differs from its checksum" in caplog.text
    assert mended.verify() == []


def test_a_few_unreadable_images_are_left_out_and_named(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        store = build(Counted(1000, unreadable=(7, 500)), tmp_path, max_bad=0.002)
    assert np.flatnonzero(~store.good).tolist() == [7, 500]
    assert (store.read(np.array([7])) == 0).all()
    with store.bad_file.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["row", "reference", "reason"],
            ["7", "7.png", "7.png: is damaged"],
            ["500", "500.png", "500.png: is damaged"],
        ]
    assert "2 of 1000" in caplog.text and str(store.bad_file) in caplog.text


@pytest.mark.parametrize(("max_bad", "unreadable"), [(0.0, (999,)), (0.002, (1, 2, 3))])
def test_more_unreadable_images_than_the_policy_lets_pass(tmp_path, max_bad, unreadable):
    with pytest.raises(DataError, match="is damaged") as caught:
        build(Counted(1000, unreadable=unreadable), tmp_path, max_bad=max_bad)
    (listed,) = tmp_path.glob("*/bad_images.csv")
    assert str(listed) in str(caught.value)
    assert f"{unreadable[0]}.png" in listed.read_text()


def test_refused_images_are_tried_again(tmp_path):
    build(Counted(1000, unreadable=(7,)), tmp_path, max_bad=0.01)
    with pytest.raises(DataError, match="1 of 1000"):
        build(Counted(1000, unreadable=(7,)), tmp_path, max_bad=0)
    store = build(Counted(1000), tmp_path, max_bad=0)
    assert store.good.all()


def test_missing_files_are_found_before_decoding(tmp_path):
    dataset = Counted(IMAGES, absent=(3, IMAGES - 1))
    with pytest.raises(DataError, match=r"2 of .* missing") as caught:
        build(dataset, tmp_path, max_bad=0)
    assert dataset.decoded == []
    assert f"{IMAGES - 1}.png" in str(caught.value)


def test_a_full_disk_is_said_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    dataset = Counted(100)
    with pytest.raises(DataError, match="MEDVL_CACHE"):
        build(dataset, tmp_path)
    assert dataset.decoded == []


def test_a_finished_store_is_opened_without_writing(tmp_path):
    folder = build(Counted(10), tmp_path).folder
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    build(Counted(10), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path))
    assert cache_folder("images") == tmp_path / "images"
    monkeypatch.delenv("MEDVL_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "medvl"
