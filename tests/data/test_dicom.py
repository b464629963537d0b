import io
import warnings

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from medvl.data.decode import Decode
from medvl.data.dicom import dicom_picture, read_dicom
from medvl.data.scaling import square
from medvl.errors import DataError
from tests.data.dicom_files import lut, radiograph, write
from tests.data.radiographs import decibels, stored_radiograph

WIDE = {"WindowCenter": 2048, "WindowWidth": 3600}
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def expected_linear(values, center, width):
    """PS3.3 C.11.2.1.2, transcribed, onto 0..255."""
    values = values.astype(float)
    inside = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    inside[values <= center - 0.5 - (width - 1) / 2] = 0
    inside[values > center - 0.5 + (width - 1) / 2] = 255
    return np.rint(inside)


def test_window_is_applied_to_12_of_16_bits(tmp_path):
    path = write(tmp_path / "a.dcm", radiograph(RAMP, 12, WindowCenter=2000, WindowWidth=1000))
    image = read_dicom(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected_linear(RAMP, 2000, 1000))


def test_monochrome1_is_the_inverse(tmp_path):
    tags = {"WindowCenter": 2000, "WindowWidth": 1000}
    plain = read_dicom(write(tmp_path / "a.dcm", radiograph(RAMP, 12, **tags)))
    dark = read_dicom(write(tmp_path / "b.dcm", radiograph(RAMP, 12, PhotometricInterpretation="MONOCHROME1", **tags)))
    np.testing.assert_array_equal(dark, 255 - plain)


def test_first_of_several_windows(tmp_path):
    one = write(tmp_path / "a.dcm", radiograph(RAMP, 12, WindowCenter=2000, WindowWidth=1000))
    many = write(tmp_path / "b.dcm", radiograph(RAMP, 12, WindowCenter=[2000, 300], WindowWidth=[1000, 50]))
    np.testing.assert_array_equal(read_dicom(one), read_dicom(many))


BLANK_WINDOWS = [{}, {"WindowCenter": None, "WindowWidth": None}, {"WindowCenter": 5, "WindowWidth": 0}]


@pytest.mark.parametrize("blank", BLANK_WINDOWS, ids=["absent", "blank", "no width"])
def test_without_a_usable_window_the_full_range_counts(tmp_path, blank):
    pixels = np.linspace(500, 900, 64).astype(np.uint16).reshape(8, 8)
    image = read_dicom(write(tmp_path / "a.dcm", radiograph(pixels, 12, **blank)))
    np.testing.assert_array_equal(image, np.rint((pixels - 500.0) / 400 * 255))


def test_padding_does_not_widen_the_range(tmp_path):
    pixels = np.linspace(500, 900, 64).astype(np.uint16).reshape(8, 8)
    pixels[0, 0] = 0
    image = read_dicom(write(tmp_path / "a.dcm", radiograph(pixels, 12, PixelPaddingValue=0)))
    low = float(pixels[0, 1])
    np.testing.assert_array_equal(image, np.rint(np.clip((pixels - low) / (900 - low), 0, 1) * 255))


def test_signed_values_and_rescale(tmp_path):
    pixels = (RAMP.astype(np.int16) - 2048) // 2
    tags = {"RescaleSlope": "2", "RescaleIntercept": "100", "WindowCenter": 100, "WindowWidth": 1500}
    image = read_dicom(write(tmp_path / "a.dcm", radiograph(pixels, 12, **tags)))
    np.testing.assert_array_equal(image, expected_linear(pixels * 2.0 + 100, 100, 1500))


def test_modality_lut_then_voi_lut(tmp_path):
    pixels = np.array([[0, 1, 2, 3]], np.uint8)
    dataset = radiograph(pixels)
    dataset.ModalityLUTSequence = [lut([300, 200, 100, 0], first=0, bits=16)]
    dataset.VOILUTSequence = [lut([0, 255, 51], first=99, bits=8)]  # of 99, 100, 101
    dataset.WindowCenter, dataset.WindowWidth = 1, 2  # the LUT wins
    image = read_dicom(write(tmp_path / "a.dcm", dataset))
    np.testing.assert_array_equal(image, [[51, 51, 255, 0]])


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_other_window_functions(tmp_path, function):
    tags = {"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": function}
    image = read_dicom(write(tmp_path / "a.dcm", radiograph(RAMP, 12, **tags)))
    scaled = (RAMP.astype(float) - 2000) / 1000
    share = 1 / (1 + np.exp(-4 * scaled)) if function == "SIGMOID" else np.clip(scaled + 0.5, 0, 1)
    np.testing.assert_array_equal(image, np.rint(share * 255))


def test_rle_equals_uncompressed(tmp_path):
    dataset = radiograph(RAMP, 12, WindowCenter=2000, WindowWidth=1000)
    raw = read_dicom(write(tmp_path / "raw.dcm", dataset))
    path = tmp_path / "rle.dcm"
    compressed = pydicom.dcmread(tmp_path / "raw.dcm")
    compressed.compress(RLELossless)
    compressed.save_as(path)
    np.testing.assert_array_equal(read_dicom(path), raw)


def encapsulated(dataset, stream: bytes):
    """A radiograph with a codestream for its pixels."""
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def stream_of(values: np.ndarray, syntax: str, bits: int) -> bytes:
    """Values in a codestream of a syntax; JPEG Extended has 12 bits whatever is stored."""
    if syntax == JPEG2000Lossless:
        return imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, bitspersample=bits, level=0)
    if syntax == JPEGBaseline8Bit:
        return imagecodecs.jpeg8_encode(values, level=95)
    if syntax == JPEGExtended12Bit:
        return imagecodecs.jpeg8_encode(values, level=95, bitspersample=12)
    predictor = 1 if syntax == JPEGLosslessSV1 else 6
    return imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=bits, predictor=predictor)


def coded_radiograph(folder, values: np.ndarray, syntax: str, bits: int = 12, **tags):
    dataset = radiograph(values, bits, **tags)
    return write(folder / "coded.dcm", encapsulated(dataset, stream_of(values, syntax, bits)), syntax)


def lower(window: dict[str, float]) -> dict[str, float]:
    """A window's tags as parameters."""
    return {name.removeprefix("Window").lower(): value for name, value in window.items()}


def jpeg_radiograph() -> tuple[np.ndarray, object]:
    pixels = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    dataset = radiograph(pixels, WindowCenter=127.5, WindowWidth=256)
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return pixels, dataset


def test_jpeg_baseline(tmp_path):
    pixels, dataset = jpeg_radiograph()
    image = read_dicom(write(tmp_path / "a.dcm", dataset, JPEGBaseline8Bit))
    assert np.abs(image.astype(int) - pixels).max() <= 3


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_of_the_header(tmp_path, syntax):
    plain = write(tmp_path / "a.dcm", radiograph(RAMP, 12, WindowCenter=2000, WindowWidth=1000))
    dataset = pydicom.dcmread(plain)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = RAMP.astype(">u2").tobytes()
    pydicom.dcmwrite(tmp_path / "b.dcm", dataset, little_endian=syntax != ExplicitVRBigEndian,
                     implicit_vr=syntax == ImplicitVRLittleEndian, force_encoding=True)  # fmt: skip
    np.testing.assert_array_equal(read_dicom(tmp_path / "b.dcm"), read_dicom(plain))


@pytest.mark.parametrize("implicit", [True, False])
def test_without_preamble_and_file_meta(tmp_path, implicit):
    dataset = radiograph(RAMP, 12, WindowCenter=2000, WindowWidth=1000)
    plain = write(tmp_path / "a.dcm", dataset)
    bare = radiograph(RAMP, 12, WindowCenter=2000, WindowWidth=1000)
    bare.save_as(tmp_path / "bare", implicit_vr=implicit, little_endian=True)
    np.testing.assert_array_equal(read_dicom(tmp_path / "bare"), read_dicom(plain))


def test_colour_becomes_luma(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[...] = [[200, 100, 50]]
    image = read_dicom(write(tmp_path / "a.dcm", radiograph(pixels)))
    assert image.shape == (4, 4)
    assert abs(int(image[0, 0]) - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) <= 1


def without_pixels(path):
    dataset = radiograph(RAMP, 12)
    del dataset.PixelData
    return write(path, dataset)


def cut_short(path):
    write(path, radiograph(RAMP, 12))
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def jpeg_cut_short(path):
    write(path, jpeg_radiograph()[1], JPEGBaseline8Bit)
    path.write_bytes(path.read_bytes()[:-600])
    return path


def no_dicom(path):
    path.write_bytes(b"not an image at all" * 30)
    return path


def many_frames(path):
    return write(path, radiograph(np.concatenate([RAMP, RAMP]), 12, Rows=64, NumberOfFrames=2))


def palette(path):
    return write(path, radiograph(RAMP, 12, PhotometricInterpretation="PALETTE COLOR"))


def undescribed(path):
    dataset = radiograph(RAMP, 12)
    del dataset.BitsAllocated
    return write(path, dataset)


def deep(path):
    return write(path, radiograph(RAMP.astype(np.uint32), 32))


@pytest.mark.filterwarnings("ignore:End of file reached")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (without_pixels, "no pixel data"),
        (cut_short, "less than expected"),
        (jpeg_cut_short, "do: fetch"),
        (no_dicom, "not a DICOM file"),
        (many_frames, "2 frames"),
        (palette, "Palette"),
        (undescribed, "lacks BitsAllocated"),
        (deep, "32 bits"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_cannot_be_read_names_file_reason_and_cure(tmp_path, make, said):
    path = make(tmp_path / "image.dcm")
    with pytest.raises(DataError) as caught:
        read_dicom(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "do: " in str(caught.value)


def test_missing_decoder_names_the_extra(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm", jpeg_radiograph()[1], JPEGLSLossless)
    monkeypatch.setattr(Decoder, "is_available", property(lambda self: False))
    with pytest.raises(DataError, match=r"JPEG-LS.*pip install 'medvl\[dicom\]'"):
        read_dicom(path)


def test_12_bit_jpeg_without_its_decoder_names_the_extra(tmp_path, monkeypatch):
    path = coded_radiograph(tmp_path, RAMP, JPEGExtended12Bit)
    for plugin in ("imagecodecs", "pylibjpeg"):  # the second where the user has installed its GPL part
        monkeypatch.delitem(get_decoder(JPEGExtended12Bit)._available, plugin, raising=False)
    with pytest.raises(DataError, match=r"JPEG Extended.*does not support.*pip install 'medvl\[dicom\]'"):
        read_dicom(path)


def test_12_bit_jpeg(tmp_path):
    values = stored_radiograph((96, 80), 12)
    image = read_dicom(coded_radiograph(tmp_path, values, JPEGExtended12Bit, **WIDE))
    assert decibels(image, expected_linear(values, **lower(WIDE))) > 45


def test_lossy_values_beyond_the_stored_bits_are_cut_off_not_wrapped(tmp_path):
    values = np.where(np.random.default_rng(0).random((64, 64)) < 0.5, 0, 1023).astype(np.uint16)  # rings
    window = {"WindowCenter": 512, "WindowWidth": 1024}
    path = coded_radiograph(tmp_path, values, JPEGExtended12Bit, bits=10, **window)
    image = read_dicom(path)
    assert (image[values == 1023] > 128).all() and (image[values == 0] < 128).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLossless], ids=["first order", "process 14"])
def test_lossless_jpeg_equals_uncompressed(tmp_path, bits, syntax):
    values = stored_radiograph((61, 47), bits)
    raw = write(tmp_path / "raw.dcm", radiograph(values, bits))
    path = coded_radiograph(tmp_path, values, syntax, bits=bits)
    np.testing.assert_array_equal(read_dicom(path), read_dicom(raw))


def test_signed_lossless_jpeg_equals_uncompressed(tmp_path):
    values = (RAMP.astype(np.int32) - 2048).astype(np.int16)
    raw = write(tmp_path / "raw.dcm", radiograph(values, 12, **WIDE))
    dataset = radiograph(values, 12, **WIDE)
    encapsulated(dataset, imagecodecs.jpeg8_encode(values.view(np.uint16), lossless=True, bitspersample=16))
    path = write(tmp_path / "coded.dcm", dataset, JPEGLosslessSV1)
    np.testing.assert_array_equal(read_dicom(path), read_dicom(raw))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGExtended12Bit, JPEGBaseline8Bit])
def test_a_codestream_cut_short_is_refused_though_decoders_would_fill_it_in(tmp_path, syntax):
    values = stored_radiograph((96, 80), 8 if syntax == JPEGBaseline8Bit else 12)
    stream = stream_of(values, syntax, 12)
    dataset = radiograph(values, **({} if syntax == JPEGBaseline8Bit else {"bits_stored": 12}))
    path = write(tmp_path / "a.dcm", encapsulated(dataset, stream[: len(stream) // 2]), syntax)
    with pytest.raises(DataError, match="cut short"):
        read_dicom(path)


def test_bytes_behind_the_end_of_a_codestream_are_padding(tmp_path):
    values = stored_radiograph((61, 47), 12)
    stream = stream_of(values, JPEGLosslessSV1, 12)
    path = write(tmp_path / "a.dcm", encapsulated(radiograph(values, 12), stream + b"\xff\0\0"), JPEGLosslessSV1)
    raw = write(tmp_path / "raw.dcm", radiograph(values, 12))
    np.testing.assert_array_equal(read_dicom(path), read_dicom(raw))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless_jpeg_2000_equals_uncompressed(tmp_path, bits):
    values = stored_radiograph((61, 47), bits)
    raw = write(tmp_path / "raw.dcm", radiograph(values, bits))
    path = coded_radiograph(tmp_path, values, JPEG2000Lossless, bits=bits)
    np.testing.assert_array_equal(read_dicom(path), read_dicom(raw))


def test_jpeg_2000_is_reduced_only_where_asked(tmp_path):
    values = stored_radiograph((256, 200), 12)
    path = coded_radiograph(tmp_path, values, JPEG2000Lossless, **WIDE)
    exact = square(dicom_picture(path, Decode(exact=True), 50), 50)
    full = dicom_picture(path, Decode(), 150)
    assert full.pixels.shape == values.shape
    reduced = dicom_picture(path, Decode(jpeg2000="reduced"), 50)
    assert reduced.pixels.shape < (80, 70)
    assert 40 < decibels(square(reduced, 50), exact) < 70
    assert dicom_picture(path, Decode(jpeg2000="reduced")).pixels.shape == values.shape


def test_jpeg_2000_whose_sign_contradicts_the_header_is_decoded_in_full(tmp_path):
    values = (stored_radiograph((256, 200), 12).astype(np.int32) - 2048).astype(np.int16)
    stream = imagecodecs.jpeg2k_encode(
        (values & 0xFFF).astype(np.uint16), codecformat="j2k", reversible=True, bitspersample=12, level=0
    )
    raw = write(tmp_path / "raw.dcm", radiograph(values, 12))
    path = write(tmp_path / "a.dcm", encapsulated(radiograph(values, 12), stream), JPEG2000Lossless)
    image = dicom_picture(path, Decode(jpeg2000="reduced"), 50).pixels
    np.testing.assert_array_equal(image, dicom_picture(raw, Decode(), 50).pixels)


def test_deep_values_are_averaged_before_the_window_unless_exact(tmp_path):
    values = stored_radiograph((307, 251), 12)
    path = write(tmp_path / "a.dcm", radiograph(values, 12, PhotometricInterpretation="MONOCHROME1", **WIDE))
    exact = dicom_picture(path, Decode(exact=True), 50)
    quick = dicom_picture(path, Decode(), 50)
    assert exact.pixels.shape == values.shape and quick.pixels.shape == (103, 84)
    assert decibels(square(quick, 50), square(exact, 50)) > 48


@pytest.mark.parametrize("bent", ["VOI LUT", "modality LUT", "sigmoid"])
def test_averages_are_taken_only_of_straight_lines(tmp_path, bent):
    dataset = radiograph(stored_radiograph((307, 251), 12), 12, **WIDE)
    curve = [int(255 * (place / 4095) ** 3) for place in range(4096)]
    if bent == "VOI LUT":
        dataset.VOILUTSequence = [lut(curve, 0, 8)]
    elif bent == "modality LUT":
        dataset.ModalityLUTSequence = [lut(curve, 0, 8)]
    else:
        dataset.VOILUTFunction = "SIGMOID"
    path = write(tmp_path / "a.dcm", dataset)
    assert dicom_picture(path, Decode(), 50).pixels.shape == (307, 251)


def test_unused_high_bits_are_ignored(tmp_path):
    """Overlays were kept there."""
    clean = write(tmp_path / "a.dcm", radiograph(RAMP, 12))
    marked = RAMP.copy()
    marked[::3] |= 0xF000
    np.testing.assert_array_equal(read_dicom(write(tmp_path / "b.dcm", radiograph(marked, 12))), read_dicom(clean))


def test_the_sign_of_12_bits_is_extended(tmp_path):
    values = (RAMP.astype(np.int32) - 2048).astype(np.int16)
    clean = write(tmp_path / "a.dcm", radiograph(values, 12))
    bare = (values & 0xFFF).astype(np.int16)
    np.testing.assert_array_equal(read_dicom(write(tmp_path / "b.dcm", radiograph(bare, 12))), read_dicom(clean))


def test_values_in_the_upper_bits(tmp_path):
    clean = write(tmp_path / "a.dcm", radiograph(RAMP, 12, **WIDE))
    upper = write(tmp_path / "b.dcm", radiograph(RAMP << 4, 12, HighBit=15, **WIDE))
    np.testing.assert_array_equal(read_dicom(upper), read_dicom(clean))


def test_signed_8_bits(tmp_path):
    values = (np.arange(256) - 128).astype(np.int8).reshape(16, 16)
    image = read_dicom(write(tmp_path / "a.dcm", radiograph(values)))
    np.testing.assert_array_equal(image, np.arange(256).reshape(16, 16))


def test_deflated(tmp_path):
    plain = write(tmp_path / "a.dcm", radiograph(RAMP, 12, **WIDE))
    path = write(tmp_path / "b.dcm", radiograph(RAMP, 12, **WIDE), DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(read_dicom(path), read_dicom(plain))


def test_a_palette_becomes_luma(tmp_path):
    places = np.arange(64, dtype=np.uint8).reshape(8, 8)
    dataset = radiograph(places, PhotometricInterpretation="PALETTE COLOR")
    entries = np.arange(256, dtype=np.uint16)
    for colour, scale in (("Red", 200), ("Green", 100), ("Blue", 50)):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", (entries * scale).tobytes())
    image = read_dicom(write(tmp_path / "a.dcm", dataset))
    red, green, blue = ((places.astype(int) * scale) >> 8 for scale in (200, 100, 50))
    assert np.abs(image - (0.299 * red + 0.587 * green + 0.114 * blue)).max() <= 1


@pytest.mark.parametrize("frames", [None, "1A", "1"])
def test_a_blank_or_malformed_number_of_frames(tmp_path, frames):
    path = write(tmp_path / "a.dcm", radiograph(RAMP, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path)
        expected = read_dicom(path)
        header.add_new("NumberOfFrames", "IS", None)
        header["NumberOfFrames"]._value = frames
        header.save_as(path)
        np.testing.assert_array_equal(read_dicom(path), expected)


def test_padding_may_be_a_range(tmp_path):
    values = np.linspace(500, 900, 64).astype(np.uint16).reshape(8, 8)
    values[0, :3] = 0, 5, 10
    image = read_dicom(
        write(tmp_path / "a.dcm", radiograph(values, 12, PixelPaddingValue=0, PixelPaddingRangeLimit=10))
    )
    low = float(values[0, 3])
    np.testing.assert_array_equal(image, np.rint(np.clip((values - low) / (900 - low), 0, 1) * 255))


def test_another_window_by_option(tmp_path):
    many = {"WindowCenter": [2000, 300], "WindowWidth": [1000, 50]}
    path = write(tmp_path / "a.dcm", radiograph(RAMP, 12, **many))
    np.testing.assert_array_equal(read_dicom(path, Decode(window=1)), expected_linear(RAMP, 300, 50))
    with pytest.raises(DataError, match=r"a\.dcm: window 2.*0 VOI LUTs and 2 windows.*do: "):
        read_dicom(path, Decode(window=2))


def test_luts_count_before_windows(tmp_path):
    dataset = radiograph(np.array([[0, 1]], np.uint8), WindowCenter=1, WindowWidth=2)
    dataset.VOILUTSequence = [lut([0, 255], 0, 8), lut([51, 102], 0, 8)]
    path = write(tmp_path / "a.dcm", dataset)
    shown = [read_dicom(path, Decode(window=window)).tolist() for window in range(3)]
    assert shown == [[[0, 255]], [[51, 102]], [[0, 255]]]


def test_a_file_without_windows_shows_its_range_whichever_is_asked(tmp_path):
    path = write(tmp_path / "a.dcm", radiograph(RAMP, 12))
    np.testing.assert_array_equal(read_dicom(path, Decode(window=3)), read_dicom(path))


def test_unknown_transfer_syntax(tmp_path):
    path = write(tmp_path / "a.dcm", jpeg_radiograph()[1], "1.2.840.10008.1.2.4.100")  # MPEG2 video
    with pytest.raises(DataError, match="MPEG2"):
        read_dicom(path)
