"""Where the phantom's findings stand: boxes for the study table, masks for one image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medvl.data.boxes import box_column as boxes_of_images
from medvl.datasets.phantom.cases import DIFFUSE_LABELS, FOCAL_ALTERNATIVES, FOCAL_LABELS, LABELS, Studies
from medvl.datasets.phantom.findings import Placed
from medvl.datasets.phantom.render import Scene

_LABEL_OF = {
    "heart": "Cardiomegaly", "effusion": "Pleural Effusion", "pneumothorax": "Pneumothorax",
    "tube": "Support Devices", "line": "Support Devices", "pacemaker": "Support Devices", "lead": "Support Devices",
}  # fmt: skip


def labelled(scene: Scene, studies: Studies) -> Iterator[tuple[Placed, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Each placed sign, which of its own rows bear a label, and that label (index into `LABELS`) for each of these.

    An opacity whose report names two causes comes twice.
    """
    for placed in scene.placed:
        every = np.arange(len(placed.rows))
        context = studies.context[placed.rows]
        if placed.sign == "focal":
            yield placed, every, _index(FOCAL_LABELS)[context]
            unsure = np.flatnonzero(studies.ambiguous[placed.rows])
            yield placed, unsure, _index(FOCAL_ALTERNATIVES)[context[unsure]]
        elif placed.sign == "diffuse":
            yield placed, every, _index(DIFFUSE_LABELS)[context]
        else:
            yield placed, every, np.full(len(every), LABELS.index(_LABEL_OF[placed.sign]))


def _index(names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    return np.array([LABELS.index(name) for name in names])


def boxes(
    scene: Scene, studies: Studies
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """All boxes of N images: image (M,), label (M,), and (M, 4) x, y, width, height as fractions of the image."""
    images, labels, corners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((0, 4))]
    for placed, mine, label in labelled(scene, studies):
        corner = _hulls(scene, placed)[mine]
        seen = (corner[:, 2:] > corner[:, :2]).all(axis=1)  # a wire may lie wholly beyond the image's edge
        corner[:, 2:] -= corner[:, :2]
        images.append(placed.rows[mine][seen])
        labels.append(label[seen])
        corners.append(corner[seen])
    return np.concatenate(images), np.concatenate(labels), np.concatenate(corners)


def _hulls(scene: Scene, placed: Placed) -> npt.NDArray[np.float64]:
    """(n, 4) left, top, right, bottom of a placed sign, as fractions of the image, cut at the image's edges."""
    u, v = scene.to_image(placed.rows, *placed.shape.outline())
    near = (np.abs(u - 0.5) < 0.51) & (np.abs(v - 0.5) < 0.51)  # false for NaN, too
    low = [np.where(near, side, np.inf).min(axis=1) for side in (u, v)]
    high = [np.where(near, side, -np.inf).max(axis=1) for side in (u, v)]
    reach = placed.shape.inset * scene.zoom[placed.rows][:, :, 0] / 2
    reaches = (np.float32(scene.site.stretch) * reach, reach)
    starts = [side - by for side, by in zip(low, reaches, strict=True)]
    ends = np.concatenate([*starts, *(side + by for side, by in zip(high, reaches, strict=True))], axis=1)
    return np.clip(ends.astype(np.float64), 0, 1)


def mask(scene: Scene, studies: Studies, label: str, size: int) -> npt.NDArray[np.bool_]:
    """(N, size, size) True where a finding of this label stands."""
    x, y = scene.to_body(size)
    centre = (np.arange(size) + 0.5) / size
    where = np.zeros(x.shape, dtype=bool)
    for placed, mine, labels in labelled(scene, studies):
        inside = placed.shape.inside(x[placed.rows], y[placed.rows]) > 0
        left, top, right, bottom = _hulls(scene, placed).T[:, :, None]
        inside &= ((centre >= left) & (centre <= right))[:, None, :]
        inside &= ((centre >= top) & (centre <= bottom))[:, :, None]
        for one in mine[labels == LABELS.index(label)]:
            where[placed.rows[one]] |= inside[one]
    return where


def box_column(
    count: int, image: npt.NDArray[np.int64], label: npt.NDArray[np.int64], corners: npt.NDArray[np.float64]
) -> pa.ListArray:
    """The table's `boxes` column for `count` images; those of one image stand in the order of `LABELS`."""
    order = np.argsort(label, kind="stable")
    names = np.array(LABELS, dtype=object)[label[order]]
    return boxes_of_images(count, image[order], names, corners[order])
