import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from medvl.data.decode import Decode
from medvl.data.images import prepare_image
from medvl.data.store import build_store
from medvl.datasets.image_files import ImageFiles
from tests.data.dicom_files import radiograph, write
from tests.data.radiographs import stored_radiograph


class Two(ImageFiles):
    """A JPEG, and a DICOM file of two windows."""

    def __init__(self, root):
        self.root = root

    def index_files(self):
        return []

    def settings(self):
        return ()

    def build_table(self):
        images = ["a.jpg", "b.dcm"]
        return pa.table({"image": images, "patient": images, "study": images, "view": ["PA", "PA"]})


@pytest.fixture
def two(tmp_path):
    Image.fromarray(stored_radiograph((401, 302), 8)).save(tmp_path / "a.jpg", quality=95)
    windows = {"WindowCenter": [2048, 900], "WindowWidth": [4096, 500]}
    write(tmp_path / "b.dcm", radiograph(stored_radiograph((401, 302), 12), 12, **windows))
    return Two(tmp_path)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("decode", [Decode(), Decode(exact=True), Decode(window=1)], ids=lambda decode: decode.tag)
def test_the_store_holds_what_prediction_prepares(two, tmp_path, fit, decode):
    names = two.table()["image"]
    store = build_store(two, names, side=32, fit=fit, folder=tmp_path / "stores", decode=decode)
    prepared = [prepare_image(tmp_path / name, 32, fit, decode) for name in names.to_pylist()]
    np.testing.assert_array_equal(store.read(np.arange(2)), prepared)


def test_settings_change_what_is_stored(two, tmp_path):
    stored = [
        build_store(two, ["b.dcm"], side=32, fit="crop", folder=tmp_path / "stores", decode=decode).read(np.arange(1))
        for decode in (Decode(), Decode(exact=True), Decode(window=1))
    ]
    assert not np.array_equal(stored[0], stored[1])
    assert np.abs(stored[0].astype(int) - stored[1]).max() <= 3
    assert np.abs(stored[0].astype(int) - stored[2]).max() > 50


def test_asked_by_hand_images_are_read_in_full(two):
    assert two.read_image("a.jpg").shape == two.read_image("b.dcm").shape == (401, 302)
    two.for_store(32, "crop", Decode())
    assert two.read_image("a.jpg").shape == (401, 302)
