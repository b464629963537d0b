"""From stored values to what a viewer shows: the chain of PS3.3 C.11 as one table of 256 or 65,536 entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvl.data.depth import code_values, linear, to_bytes
from medvl.data.scaling import Box, Picture
from medvl.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset as Header


@dataclass(frozen=True)
class Window:
    """One of a file's windows, in modality values."""

    center: float
    width: float
    function: str  # LINEAR, LINEAR_EXACT or SIGMOID

    @property
    def usable(self) -> bool:
        """False where it has no width, which files say that mean none."""
        return self.width >= (1 if self.function == "LINEAR" else 1e-9)

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Shares of full brightness at modality values: PS3.3 C.11.2.1.2 and C.11.2.1.3."""
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700)))
        if self.function == "LINEAR_EXACT":
            return (values - self.center) / self.width + 0.5
        return (values - (self.center - 0.5)) / max(self.width - 1, 1e-9) + 0.5


def displayed(stored: np.ndarray, header: Header, box: Box, window: int, average_for: int | None = None) -> Picture:
    """Modality LUT or rescale -> VOI LUT or window, else the full range -> 0..255; MONOCHROME1 is inverted last.

    PresentationLUTShape is not read: INVERSE says of MONOCHROME1 what the photometric interpretation says already.

    Args:
        stored: 8- or 16-bit integers (H, W).
        header: of the file.
        box: where the radiograph lies in `stored`.
        window: which of the file's VOI LUTs and windows, counted in this order; a file without any shows the full range
            of its values but for its padding value.
        average_for: see `medvl.data.depth.to_bytes`; not obeyed where the chain is not a straight line.

    Raises:
        DataError: the file has VOI LUTs or windows, but not so many. Without the file's name.
    """
    values, bent = _modality(code_values(stored.dtype), header)
    chosen = _choice(header, window)
    if isinstance(chosen, Window) and chosen.usable:
        shares = chosen.shares(values)
        bent |= chosen.function == "SIGMOID"
    elif chosen is None or isinstance(chosen, Window):
        shares = linear(values, *_full_range(stored, values, header))
    else:
        entries, depth = _looked_up(values, chosen, header)
        shares, bent = entries / (2**depth - 1), True
    if header.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - np.clip(shares, 0, 1)
    return to_bytes(stored, shares, box, None if bent else average_for)


def _modality(stored: np.ndarray, header: Header) -> tuple[np.ndarray, bool]:
    """Modality values at stored ones, and whether a LUT gave them."""
    if header.get("ModalityLUTSequence"):
        return _looked_up(stored, header.ModalityLUTSequence[0], header)[0], True
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return stored * float(1 if slope is None else slope) + float(0 if intercept is None else intercept), False


def _choice(header: Header, window: int) -> Window | Header | None:
    """The LUT item or window asked for; None where the file has none at all."""
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    pairs = zip(_numbers(header.get("WindowCenter")), _numbers(header.get("WindowWidth")), strict=False)
    windows = [Window(center, width, function) for center, width in pairs]
    choices: list[Window | Header] = [*(header.get("VOILUTSequence") or ()), *windows]
    if not choices:
        return None
    if window >= len(choices):
        luts = len(choices) - len(windows)
        raise DataError(
            f"window {window} is asked for, counted from 0; the file has {luts} VOI LUTs and {len(windows)} windows. "
            "do: choose `decode: {window: 0}`, or take the file out of the table"
        )
    return choices[window]


def _full_range(stored: np.ndarray, values: np.ndarray, header: Header) -> tuple[float, float]:
    """Lowest and highest modality value in the image, its padding left out; `values` are those of the codes."""
    codes = stored.view(f"u{stored.itemsize}")
    padding = header.get("PixelPaddingValue")
    if padding is None and not header.get("ModalityLUTSequence"):
        ends = values[[int(stored.min()) % len(values), int(stored.max()) % len(values)]]
        return float(ends.min()), float(ends.max())
    present = np.zeros(len(values), bool)
    present[codes] = True
    if padding is not None:
        limit = header.get("PixelPaddingRangeLimit")
        first, last = sorted((int(padding), int(padding if limit is None else limit)))
        present[np.arange(first, last + 1) % len(values)] = False
    return (float(values[present].min()), float(values[present].max())) if present.any() else (0.0, 0.0)


def _looked_up(values: np.ndarray, item: Header, header: Header) -> tuple[np.ndarray, int]:
    """(entries of a LUT sequence's item at `values`, its bits per entry). Values outside take the nearest entry."""
    count, first, depth = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):  # VR OW: words in the file's byte order, or single bytes
        order = "<" if header.file_meta.TransferSyntaxUID.is_little_endian else ">"
        data = np.frombuffer(data, f"{order}u2" if len(data) >= 2 * (count or 65536) else "u1")
    entries = np.asarray(data, np.float64)
    index = np.clip(np.rint(values) - first, 0, min(count or 65536, len(entries)) - 1)
    return entries[index.astype(np.int64)], depth


def _numbers(value: object) -> Sequence[float]:
    """The values that a window's tag may hold, one or several; none where it is blank."""
    if value is None or value == "":
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(one) for one in value]
    return [float(value)]  # type: ignore[arg-type]
