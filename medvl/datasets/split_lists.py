"""Splits that others published as text files: a line an image, its name first, often with labels behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import SPLITS
from medvl.errors import DataError

NOWHERE = -1  # the split of an image that no list names


def read_list(path: Path, *, where: str) -> pa.Array:
    """The first word of each line that is not blank; a last line without its end counts.

    Args:
        path: a text file in UTF-8.
        where: how it is obtained, for the error.

    Raises:
        DataError: there is no such file, or nothing in it.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such list of images. {where}")
    lines = pa.array(path.read_text(encoding="utf-8-sig").splitlines(), pa.string())
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(lines), max_splits=1)
    names = pc.list_element(words, 0)
    names = names.filter(pc.not_equal(names, ""))
    if len(names) == 0:
        raise DataError(f"{path}: names no image. {where}")
    return names


def splits_in_lists(
    images: pa.ChunkedArray,
    files: Mapping[str, Path],
    *,
    where: str,
    spell: Callable[[pa.Array], pa.Array] = lambda names: names,
) -> np.ndarray:
    """The split of each image by the list that names it.

    Args:
        images: (N,) references.
        files: split (`train`, ...) -> its list.
        where: how the lists are obtained, for errors.
        spell: turns a list's names into references.

    Returns:
        (N,) int8: places in `SPLITS`; `NOWHERE` for images that are in no list.

    Raises:
        DataError: a list is missing, is of other images altogether, or shares images with another list.
    """
    splits = np.full(len(images), NOWHERE, np.int8)
    for split, path in files.items():
        named = np.asarray(pc.is_in(images, spell(read_list(path, where=where))))
        if not named.any():
            raise DataError(f"{path}: names none of the {len(images)} images of the dataset. {where}")
        twice = int((named & (splits != NOWHERE)).sum())
        if twice:
            others = ", ".join(other.name for other in files.values() if other != path)
            raise DataError(f"{path}: {twice} of its images are also in {others}. do: check the lists")
        splits[named] = SPLITS.index(split)
    return splits


def split_names(splits: np.ndarray) -> pa.Array:
    """(N,) places in `SPLITS` -> strings, null for `NOWHERE`."""
    return pa.array(SPLITS).take(pa.array(splits, mask=splits == NOWHERE))
