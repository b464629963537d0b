import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.cases import CaseArrays, TokenArrays

texts_lists = st.lists(st.lists(st.integers(1, 60_000), max_size=9), min_size=1, max_size=12)


def arrays(texts, dtype=np.int32, pad=0):
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    return TokenArrays(np.array([i for text in texts for i in text], dtype), offsets, pad)


def slow_batch(texts, positions, pad):
    """A batch word by word."""
    chosen = [texts[p] for p in positions]
    longest = max(len(text) for text in chosen)
    ids = [text + [pad] * (longest - len(text)) for text in chosen]
    mask = [[True] * len(text) + [False] * (longest - len(text)) for text in chosen]
    return ids, mask


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@settings(deadline=None)
@given(texts=texts_lists, data=st.data(), pad=st.integers(0, 3))
def test_a_batch_of_tokens_is_that_of_a_loop(dtype, texts, data, pad):
    positions = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=8))
    ids, mask = arrays(texts, dtype, pad).batch(np.array(positions))
    assert (ids.dtype, mask.dtype) == (np.int64, np.bool_)
    assert (ids.tolist(), mask.tolist()) == slow_batch(texts, positions, pad)


def test_lengths_are_those_of_the_rows():
    assert arrays([[1, 2], [], [3]]).lengths(np.array([2, 0, 1])).tolist() == [1, 2, 0]


def test_cases_are_counted_by_their_rows():
    assert len(CaseArrays(rows=np.array([4, 8, 9]))) == 3
