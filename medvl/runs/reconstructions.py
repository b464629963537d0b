"""The picture of what was hidden of some cases and how it was restored (Zhou 2023, Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medvl.models.tokenizer import Tokenizer
from medvl.objectives.reconstruction import Reconstruction, RestoredImages, RestoredWord
from medvl.runs.curves import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GIVEN, RESTORED, TRUTH = "what is seen", "restored", "truth"
RIGHT, WRONG, FAINT = "#2f6b3f", "#b3362b", "#8a8a8a"
REMOVED = 128  # gray of a removed patch
SIDE = 2.6  # inches of a radiograph
COLUMNS = 110  # characters in a line
LINE = 0.17  # inches
PRIVATE = "This picture may hold radiographs and report text. Keep it where the data may be kept."


@dataclass(frozen=True)
class RestoredCase:
    """One case, ready to be shown.

    Attributes:
        pictures: title -> uint8 (H, W), black and white where the truth has its extremes; empty where no image is
            restored.
        words: of its text, in order.
    """

    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    words: list[RestoredWord] = field(default_factory=list)


def restored_cases(found: Reconstruction, tokenizer: Tokenizer | None) -> list[RestoredCase]:
    """Each case of a batch; without a tokenizer no words."""
    parts = [part for part in (found.images, found.texts) if part is not None]
    count = len(parts[0].truth if isinstance(parts[0], RestoredImages) else parts[0].ids)
    images, texts = found.images, found.texts
    return [
        RestoredCase(
            {} if images is None else _pictures(images, case),
            [] if texts is None or tokenizer is None else texts.words(case, tokenizer),
        )
        for case in range(count)
    ]


def plot_reconstructions(cases: Sequence[RestoredCase], *, title: str = "") -> Figure:
    """A row of pictures for each case, and its words below: of the hidden ones those in green are restored, and behind
    those in red stands what they should be.

    Args:
        cases: at least one.
        title: above the picture.
    """
    from matplotlib.figure import Figure

    columns = max([1, *(len(case.pictures) for case in cases)])
    lines = [_lines(case.words) for case in cases]
    heights = [height for case, text in zip(cases, lines, strict=True) for height in _heights(case, text)]
    width = SIDE * max(columns, 3)
    figure = Figure(figsize=(width, sum(heights) + 0.7), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    figure.supxlabel(PRIVATE, fontsize=6, color=FAINT)
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for row, (case, text) in enumerate(zip(cases, lines, strict=True)):
        for column in range(columns):
            axes = figure.add_subplot(grid[2 * row, column])
            axes.set_axis_off()
            if column < len(case.pictures):
                name, pixels = list(case.pictures.items())[column]
                axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axes.set_title(name, fontsize=8, color=INK)
        _write(figure.add_subplot(grid[2 * row + 1, :]), text, width)
    return figure


def _pictures(images: RestoredImages, case: int) -> dict[str, np.ndarray]:
    truth = images.truth[case, 0].float().cpu().numpy()
    low, high = float(truth.min()), float(truth.max())

    def shown(pixels: np.ndarray) -> np.ndarray:
        return np.rint(255 * ((pixels - low) / max(high - low, 1e-12)).clip(0, 1)).astype(np.uint8)

    seen = shown(images.seen[case, 0].float().cpu().numpy())
    restored = shown(images.restored[case, 0].float().cpu().numpy())
    if images.removed is not None:
        removed = images.removed[case].cpu().numpy()
        side = seen.shape[0] // removed.shape[0], seen.shape[1] // removed.shape[1]
        seen[removed.repeat(side[0], 0).repeat(side[1], 1)] = REMOVED
    return {GIVEN: seen, RESTORED: restored, TRUTH: shown(truth)}


def _heights(case: RestoredCase, lines: list[list[tuple[int, str, str]]]) -> tuple[float, float]:
    """Inches of a case's pictures and of its text."""
    return (SIDE if case.pictures else 0.05), max(len(lines), 0.3) * LINE + 0.1


def _lines(words: Sequence[RestoredWord]) -> list[list[tuple[int, str, str]]]:
    """Each line's pieces: column, text, colour."""
    lines: list[list[tuple[int, str, str]]] = []
    end = COLUMNS
    for word in words:
        pieces = [(word.told or word.text, INK if word.told is None else RIGHT if word.right else WRONG)]
        if not word.right:
            pieces.append((f"({word.text})", FAINT))
        length = sum(len(text) for text, _ in pieces)
        if end + 1 + length > COLUMNS:
            lines.append([])
            end = -1
        for text, colour in pieces:
            lines[-1].append((end + 1, text, colour))
            end += len(text)
        end += 1
    return lines


def _write(axes: Axes, lines: list[list[tuple[int, str, str]]], width: float) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, COLUMNS)
    axes.set_ylim(max(len(lines), 1), 0)
    size = 0.95 * width * 72 / COLUMNS / 0.602  # a letter of the font is 0.602 of its size wide
    for row, line in enumerate(lines):
        for column, text, colour in line:
            weight = "normal" if colour in (INK, FAINT) else "bold"
            written = axes.text(
                column, row + 0.5, text, color=colour, weight=weight, family="monospace", fontsize=size, va="center"
            )
            written.set_in_layout(False)  # it has its place, and to make one for each word takes seconds
