import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from medvl.data.dicom import read_dicom
from medvl.errors import DataError
from tests.data.dicom_files import lut, radiograph, write

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
        (palette, "PALETTE COLOR"),
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


def test_12_bit_jpeg_names_the_one_decoder_and_its_licence(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm", jpeg_radiograph()[1], JPEGExtended12Bit)

    def refuse(header):
        raise RuntimeError("all plugins refused")

    monkeypatch.setattr("pydicom.pixels.pixel_array", refuse)
    monkeypatch.setattr(Decoder, "available_plugins", property(lambda self: ("pillow",)))
    with pytest.raises(DataError, match=r"all plugins refused.*pylibjpeg-libjpeg \(GPL-3.0\)"):
        read_dicom(path)


def test_unknown_transfer_syntax(tmp_path):
    path = write(tmp_path / "a.dcm", jpeg_radiograph()[1], "1.2.840.10008.1.2.4.100")  # MPEG2 video
    with pytest.raises(DataError, match="MPEG2"):
        read_dicom(path)
