import numpy as np
import pytest
from PIL import Image

from medvl.data.decode import Decode
from medvl.data.images import prepare_image, read_image
from medvl.data.scaling import resize
from medvl.errors import DataError
from tests.data.dicom_files import radiograph, write
from tests.data.radiographs import decibels, stored_radiograph

GRAY = np.add.outer(np.arange(48), np.arange(32)).astype(np.uint8) * 3


def test_png_is_read_exactly(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GRAY)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_gray_in_another_mode_reads_the_same(tmp_path, mode):
    Image.fromarray(GRAY).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GRAY)


def test_one_bit(tmp_path):
    Image.fromarray(GRAY > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.where(GRAY > 100, 255, 0))


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (200, 4095), (7, 7)])
def test_16_bit_png_is_scaled_by_its_own_range(tmp_path, low, high):
    values = np.linspace(low, high, 48 * 32).astype(np.uint16).reshape(48, 32)
    Image.fromarray(values).save(tmp_path / "a.png")
    expected = np.rint((values - float(low)) / max(high - low, 1) * 255)
    assert np.abs(read_image(tmp_path / "a.png") - expected).max() <= 1
    assert read_image(tmp_path / "a.png").min() == 0


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(tmp_path, mode):
    Image.fromarray(GRAY).convert(mode).save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == GRAY.shape
    assert np.abs(image.astype(int) - GRAY).mean() < 2


def test_exif_orientation_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees
    Image.fromarray(GRAY).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(GRAY, -1))


@pytest.mark.parametrize("name", ["a.dcm", "no_suffix", "wrong.png"])
def test_dicom_is_known_by_its_mark(tmp_path, name):
    path = write(tmp_path / name, radiograph(GRAY, WindowCenter=127.5, WindowWidth=256))
    assert read_image(path).shape == GRAY.shape


def test_dicom_without_mark_or_suffix(tmp_path):
    radiograph(GRAY).save_as(tmp_path / "6154", implicit_vr=True, little_endian=True)
    assert read_image(tmp_path / "6154").shape == GRAY.shape


def truncated_png(path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(noise).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:2000])


def animation(path):
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("a text, and a long one " * 40), "neither|not a DICOM"),
        (truncated_png, "cannot be decoded"),
        (animation, "2 frames"),
    ],
    ids=["missing", "empty", "text", "truncated", "animation"],
)
def test_what_cannot_be_read_names_file_reason_and_cure(tmp_path, make, said):
    path = tmp_path / "image.png"
    make(path)
    with pytest.raises(DataError, match=said) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "do: " in str(caught.value)


def test_prepare_is_read_then_resize(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    np.testing.assert_array_equal(prepare_image(tmp_path / "a.png", 16, "pad"), resize(GRAY, 16, "pad"))


FITS = ("crop", "pad", "stretch")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_prepared_squares_differ_by_little_from_exact_ones(tmp_path, name, fit):
    values = stored_radiograph((603, 502), 8 if name == "a.jpg" else 16)
    Image.fromarray(values).save(tmp_path / name, quality=95)
    quick = prepare_image(tmp_path / name, 64, fit)
    exact = prepare_image(tmp_path / name, 64, fit, Decode(exact=True))
    np.testing.assert_array_equal(exact, resize(read_image(tmp_path / name), 64, fit))
    assert 42 < decibels(quick, exact) < 80


def test_a_turned_jpeg_is_decoded_in_full(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored_radiograph((603, 502), 8)).save(tmp_path / "a.jpg", quality=95, exif=exif)
    exact = prepare_image(tmp_path / "a.jpg", 64, decode=Decode(exact=True))
    np.testing.assert_array_equal(prepare_image(tmp_path / "a.jpg", 64), exact)


def test_float_images_are_scaled_by_their_own_range(tmp_path):
    values = np.linspace(-3, 7, 48 * 32, dtype=np.float32).reshape(48, 32)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff"), np.rint((values + 3.0) / 10 * 255))
