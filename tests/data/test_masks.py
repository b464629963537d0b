"""Masks keep the geometry of their radiographs, are read once, and are found again pixel for pixel."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medvl.data.mask_build import build_masks
from medvl.data.masks import MaskStore, fill_runs, to_runs
from medvl.data.scaling import resize
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import DataError

NAMES = ("Pleural Effusion", "Cardiomegaly")
PHANTOM = Phantom(patients=20, resolution=32)
REFERENCES = PHANTOM.table()["image"].combine_chunks()


def build(folder, dataset=PHANTOM, names=NAMES, side=32, fit="crop", good=None, references=REFERENCES, **more):
    good = np.ones(len(references), bool) if good is None else good
    return build_masks(dataset, references, names, side=side, fit=fit, good=good, folder=folder, **more)


@settings(deadline=None, max_examples=50)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_runs_give_the_mask_again(mask):
    flat = np.zeros(mask.size, bool)
    fill_runs(to_runs(mask), flat)
    assert np.array_equal(flat.reshape(mask.shape), mask)


def test_masks_are_those_of_the_dataset_by_row_and_name(tmp_path):
    store = build(tmp_path)
    assert len(store) == len(REFERENCES) and store.names == NAMES
    rows = np.array([7, 0, 7, 3])
    expected = [[PHANTOM.read_mask(REFERENCES[row].as_py(), name) for name in NAMES] for row in rows.tolist()]
    assert np.array_equal(store.read(rows), np.array(expected))
    assert store.read(np.arange(len(store))).any((1, 2, 3)).sum() > 5, "a test of empty masks would prove nothing"


class Bands(Phantom):
    """Oblong images with a band down the left third."""

    def read_mask(self, reference, label):
        mask = np.zeros((40, 60), bool)
        mask[:, :20] = True
        return mask

    def read_masks(self, references, label):
        return [self.read_mask(reference, label) for reference in references]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_mask_is_made_square_as_its_radiograph_is(tmp_path, fit):
    dataset = Bands(patients=2)
    store = build(tmp_path, dataset, names=NAMES[:1], side=24, fit=fit, references=pa.array(["a"]))
    image = resize(dataset.read_mask("a", "").astype(np.uint8) * 200, 24, fit)
    assert np.array_equal(store.read(np.array([0]))[0, 0], image >= 100)


def test_a_mask_too_small_for_the_side_is_told(tmp_path):
    class Speck(Bands):
        def read_mask(self, reference, label):
            mask = np.zeros((64, 64), bool)
            mask[5, 5] = True
            return mask

    store = build(tmp_path, Speck(patients=2), names=NAMES[:1], side=8, references=pa.array(["a", "b"]))
    assert store.lost == 2
    (note,) = store.notes()
    assert "2 masks are too small" in note
    assert not build(tmp_path).notes()


def test_built_once_and_anew_where_anything_differs(tmp_path):
    class Counting(Phantom):
        asked = 0

        def read_masks(self, references, label):
            type(self).asked += len(references)
            return super().read_masks(references, label)

    dataset = Counting(patients=20, resolution=32)
    told = []
    build(tmp_path, dataset, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(REFERENCES), len(REFERENCES))
    assert Counting.asked == 2 * len(REFERENCES)
    build(tmp_path, dataset)
    assert Counting.asked == 2 * len(REFERENCES)
    assert build(tmp_path, dataset, side=16).side == 16
    assert build(tmp_path, dataset, names=NAMES[::-1]).names == NAMES[::-1]
    assert Counting.asked == 6 * len(REFERENCES)


def test_masks_of_images_that_cannot_be_read_are_not_asked_for(tmp_path):
    class Half(Phantom):
        def read_masks(self, references, label):
            assert REFERENCES[0].as_py() not in references
            return super().read_masks(references, label)

    good = np.ones(len(REFERENCES), bool)
    good[0] = False
    store = build(tmp_path, Half(patients=20, resolution=32), good=good)
    rest = np.arange(1, len(REFERENCES))
    assert not store.read(np.array([0])).any()
    assert np.array_equal(store.read(rest), build(tmp_path / "all").read(rest))


def test_a_mask_that_cannot_be_read_is_an_error_and_leaves_nothing_finished(tmp_path):
    class Broken(Phantom):
        def read_masks(self, references, label):
            raise DataError("cut short")

    with pytest.raises(DataError, match=r"a mask of 'Pleural Effusion' cannot be read: cut short. do: "):
        build(tmp_path, Broken(patients=20, resolution=32))
    (folder,) = tmp_path.iterdir()
    with pytest.raises(DataError, match="is not a finished mask store"):
        MaskStore(folder)
