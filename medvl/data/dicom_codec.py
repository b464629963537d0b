"""A decoding plug-in for pydicom: JPEG Lossless and JPEG Extended through imagecodecs (libjpeg-turbo 3).

Of pydicom's own plug-ins, none with a permissive licence reads JPEG Extended with more than 8 bits, and those for JPEG
Lossless take four times as long for the same pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

NAME = "imagecodecs"
SYNTAXES = (JPEGLosslessSV1, JPEGLossless, JPEGExtended12Bit)
DECODER_DEPENDENCIES = {syntax: (f"{NAME}>=2024.12.30",) for syntax in SYNTAXES}


def is_available(uid: str) -> bool:
    """Whether the plug-in can decode this transfer syntax here; pydicom asks."""
    try:
        from imagecodecs import JPEG8
    except ImportError:
        return False
    # older releases refuse precisions other than 8, 12 and 16 bits
    return uid in SYNTAXES and bool(getattr(JPEG8, "all_precisions", False))


def decode_frame(stream: bytes, runner: DecodeRunner) -> memoryview:
    """One frame's stored values as bytes; pydicom calls it.

    Raises:
        ValueError: more than one sample a pixel.
    """
    from imagecodecs import jpeg8_decode

    if runner.samples_per_pixel != 1:
        raise ValueError("colour is left to the other decoders")
    values = jpeg8_decode(stream)
    if runner.transfer_syntax == JPEGExtended12Bit:
        # the codestream has 12 bits and is lossy: where the file stores fewer, values may overshoot
        values = np.minimum(values, 2**runner.bits_stored - 1)
    runner.set_option("bits_allocated", 8 * values.itemsize)
    return values.data.cast("B")  # a copy would hold the interpreter's lock while other threads wait to decode


for syntax in SYNTAXES:
    get_decoder(syntax).add_plugin(NAME, (__name__, decode_frame.__name__))
