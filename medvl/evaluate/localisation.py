"""How well a map of where a model looks agrees with boxes of where a finding stands."""

from __future__ import annotations

import numpy as np

SIDE = 224  # pixels a side that maps and boxes are compared at, as fine as most models see
CHUNK = 64  # maps that exist at that size at any one time


def localised(
    maps: np.ndarray, boxes: np.ndarray, threshold: float, side: int = SIDE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlap and hit of each map, and the share of the image that its boxes cover.

    Maps are enlarged bilinearly. A region is where a map is above `threshold` times its largest value; the boxes of one
    map count together. A map without a value above 0 has no region and points nowhere.

    Args:
        maps: (P, h, w) float, at least 0.
        boxes: (M, 5) number of the map, then x, y (of the upper left corner), width and height as fractions of the
            image; each map has one at least.
        threshold: in [0, 1).
        side: pixels a side at which they are compared.

    Returns:
        (P,) intersection over union of region and boxes; (P,) 1 where the centre of the largest cell lies in a box,
        else 0 (the pointing game of Zhang et al., 2018, without its margin); (P,) share of the image's area.
    """
    overlaps, hits, areas = np.zeros(len(maps)), np.zeros(len(maps)), np.zeros(len(maps))
    for start in range(0, len(maps), CHUNK):
        part = slice(start, start + CHUNK)
        cells = enlarged(maps[part], side).reshape(-1, side * side)
        own = (boxes[:, 0] >= start) & (boxes[:, 0] < start + CHUNK)
        inside = covered(boxes[own], start, len(cells), side).reshape(-1, side * side)
        region = cells > np.maximum(threshold * cells.max(1, keepdims=True), 0)
        either = (region | inside).sum(1)
        overlaps[part] = (region & inside).sum(1) / np.maximum(either, 1)
        hits[part] = inside[np.arange(len(cells)), _centres(maps[part], side)] & region.any(1)
        areas[part] = inside.mean(1)
    return overlaps, hits, areas


def enlarged(maps: np.ndarray, side: int) -> np.ndarray:
    """(P, h, w) -> (P, side, side), bilinear between the centres of cells, flat beyond the outermost."""
    rows, columns = (_weights(cells, side) for cells in maps.shape[1:])
    return rows @ maps.astype(np.float64) @ columns.T


def covered(boxes: np.ndarray, first: int, count: int, side: int) -> np.ndarray:
    """(count, side, side) bool: pixels whose centre lies in a box of map `first`, `first` + 1, ...; a box that is too
    small for one has the pixel of its centre."""
    inside = np.zeros((count, side, side), bool)
    for number, x, y, width, height in boxes.tolist():
        columns, rows = _pixels(x, width, side), _pixels(y, height, side)
        inside[int(number) - first, rows, columns] = True
    return inside


def _centres(maps: np.ndarray, side: int) -> np.ndarray:
    """(P,) place of the pixel at the centre of each map's largest cell, the first of equal ones."""
    _, height, width = maps.shape
    row, column = np.divmod(maps.reshape(len(maps), -1).argmax(1), width)
    at = [((each + 0.5) * side / cells).astype(int) for each, cells in ((row, height), (column, width))]
    return at[0] * side + at[1]


def _pixels(start: float, length: float, side: int) -> slice:
    first, last = np.ceil(start * side - 0.5), np.ceil((start + length) * side - 0.5)
    if last <= first:
        first = min(int((start + length / 2) * side), side - 1)
        last = first + 1
    return slice(int(first), int(last))


def _weights(cells: int, side: int) -> np.ndarray:
    """(side, cells): how much of each cell is at each pixel's centre."""
    at = ((np.arange(side) + 0.5) * cells / side - 0.5).clip(0, cells - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)))
