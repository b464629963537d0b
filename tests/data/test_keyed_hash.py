import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvl.data import keyed_hash
from medvl.data.keyed_hash import keyed_hashes
from medvl.data.random import keys

ids = st.lists(st.text(max_size=40), max_size=30)


def mixed(value):
    """splitmix64's finaliser on Python's integers."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def slow_hash(name, seed, purpose):
    """One id, one word after the other."""
    start, end = (int(key) for key in keys(2, "ids", purpose, seed))
    data = name.encode()
    value = mixed((len(data) + start) % 2**64)
    for place in range(0, len(data), 8):
        value = mixed(value ^ int.from_bytes(data[place : place + 8], "little"))
    return mixed(value ^ end)


@given(ids, st.integers(0, 2**40))
def test_hashes_are_those_of_the_rule(names, seed):
    expected = [slow_hash(name, seed, "split") for name in names]
    assert keyed_hashes(pa.array(names, pa.string()), seed, "split").tolist() == expected
    assert keyed_hashes(pa.array(names, pa.large_string()), seed, "split").tolist() == expected


def test_hashes_are_fixed_for_ever():
    # Splits and fractions of published runs hang on these values.
    found = keyed_hashes(pa.array(["p1", "p2", "files/p10/p10000032/s50414267/02aa804e.jpg"]), 0, "split")
    assert found.tolist() == [7727170946828311681, 2698912409123867196, 11772172721882476575]


@given(ids, st.data())
def test_any_chunks_and_any_rows_give_the_same(names, data):
    cut = data.draw(st.integers(0, len(names)))
    column = pa.chunked_array([pa.array(names[:cut], pa.string()), pa.array(names[cut:], pa.string())])
    whole = keyed_hashes(pa.array(names, pa.string()), 3, "x")
    np.testing.assert_array_equal(keyed_hashes(column, 3, "x"), whole)
    rows = np.array(data.draw(st.lists(st.integers(0, len(names) - 1))) if names else [], np.int64)
    np.testing.assert_array_equal(keyed_hashes(column, 3, "x", rows), whole[rows])


def test_columns_longer_than_a_piece(monkeypatch):
    names = [f"image {number}" * (number % 4) for number in range(100)]
    whole = keyed_hashes(pa.array(names), 0, "x")
    monkeypatch.setattr(keyed_hash, "ROWS", 7)
    np.testing.assert_array_equal(keyed_hashes(pa.array(names), 0, "x"), whole)
    np.testing.assert_array_equal(keyed_hashes(pa.array(names), 0, "x", np.arange(50, 90)), whole[50:90])


@pytest.mark.parametrize("other", [(1, "split"), (0, "fraction")])
def test_seeds_and_purposes_have_nothing_to_do_with_each_other(other):
    names = pa.array([f"{number:08d}" for number in range(4000)])
    first, second = keyed_hashes(names, 0, "split"), keyed_hashes(names, *other)
    assert abs(np.corrcoef(first / 2**64, second / 2**64)[0, 1]) < 5 / 4000**0.5


@pytest.mark.parametrize("form", ["{}", "{:08d}", "files/p10/s{:020d}.jpg", "{0}{0}{0}{0}"])
def test_hashes_are_uniform_over_ids_that_differ_little(form):
    hashes = keyed_hashes(pa.array([form.format(number) for number in range(20_000)]), 0, "x")
    assert len(np.unique(hashes)) == 20_000
    bits = (hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / 20_000**0.5
    counts = np.bincount((hashes >> np.uint64(56)).astype(int), minlength=256)
    assert ((counts - 20_000 / 256) ** 2 / (20_000 / 256)).sum() < 255 + 6 * (2 * 255) ** 0.5
