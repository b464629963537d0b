"""Features on disk: appended in parts, found by row, never read damaged."""

import numpy as np
import pytest

from medvl.data.features import FeatureStore

ROWS = np.array([7, 2, 9, 4])


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)


@pytest.fixture
def store(tmp_path, values):
    found = FeatureStore(tmp_path / "features", rows=10, width=3)
    found.append(ROWS[:2], values[ROWS[:2]])
    found.append(ROWS[2:], values[ROWS[2:]])
    return found


def test_read_in_any_order_and_again_from_the_disk(store, values):
    again = FeatureStore(store.folder, rows=10, width=3)
    for rows in (np.array([9, 2, 2, 7]), ROWS, ROWS[:0]):
        assert np.array_equal(store.read(rows), values[rows]) and np.array_equal(again.read(rows), values[rows])


def test_missing(store):
    assert store.missing(np.arange(10)).tolist() == [0, 1, 3, 5, 6, 8]
    assert store.missing(np.array([8, 7, 8, 1])).tolist() == [1, 8]
    with pytest.raises(IndexError, match="row 5 has no feature"):
        store.read(np.array([7, 5]))


def test_another_process_appends(store, values):
    other = FeatureStore(store.folder, rows=10, width=3)
    store.append(np.array([0]), values[:1])
    assert 0 in other.missing(np.arange(10))
    other.refresh()
    assert np.array_equal(other.read(np.array([0, 9])), values[[0, 9]])


@pytest.mark.parametrize("harm", ["flip", "cut", "unrecorded", "bad record"])
def test_a_damaged_part_is_missing_and_can_be_appended_again(store, values, harm):
    part = next(path for path in store.folder.glob("*.f32") if 7 in np.fromfile(path, np.int64, 2))
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    record = part.with_suffix(".json")
    if harm == "flip":
        part.write_bytes(content)
    elif harm == "cut":
        part.write_bytes(content[:-5])
    elif harm == "unrecorded":
        record.unlink()
    else:
        record.write_text('{"rows": 2')
    again = FeatureStore(store.folder, rows=10, width=3)
    assert again.missing(ROWS).tolist() == [2, 7]
    again.append(ROWS[:2], values[ROWS[:2]])
    assert np.array_equal(FeatureStore(store.folder, rows=10, width=3).read(ROWS), values[ROWS])


def test_nothing_half_written_stays(tmp_path, values, monkeypatch):
    store = FeatureStore(tmp_path / "features", rows=10, width=3)

    def full(*_):
        raise OSError(28, "no space left")

    monkeypatch.setattr("medvl.data.features.write_text_atomic", full)
    with pytest.raises(OSError, match="no space"):
        store.append(ROWS, values[ROWS])
    assert FeatureStore(store.folder, rows=10, width=3).missing(ROWS).tolist() == sorted(ROWS)
