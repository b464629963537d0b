import shutil

import numpy as np
import pytest

from medvl.data.rle import decode_rle
from medvl.datasets.fakes.siim_acr import write
from medvl.datasets.siim_acr import SiimAcr
from medvl.errors import DataError


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    parameters = write(tmp_path_factory.mktemp("siim"), patients=14, seed=3)
    assert parameters.pop("name") == "siim_acr"
    return SiimAcr(**parameters)


@pytest.fixture(scope="module")
def cells(release):
    """Image id -> its cells as the file has them."""
    found = {}
    lines = (release.root / "train-rle.csv").read_text().splitlines()
    assert lines[0] == "ImageId, EncodedPixels"
    for line in lines[1:]:
        name, cell = line.split(",")
        found.setdefault(name, []).append(cell)
    return found


def test_both_spellings_of_no_mask_are_negative(release, cells):
    assert {"-1", " -1"} <= {cell for mine in cells.values() for cell in mine}
    table = release.table()
    wanted = {name: int(mine[0].strip() != "-1") for name, mine in cells.items()}
    assert dict(zip(*(table[c].to_pylist() for c in ("patient", "label.Pneumothorax")), strict=True)) == wanted
    assert set(wanted.values()) == {0, 1}


def test_several_rows_are_united(release, cells):
    several = {name: mine for name, mine in cells.items() if len(mine) > 1}
    assert several, "the miniature must have an image with several masks"
    paths = dict(zip(*(release.table()[c].to_pylist() for c in ("patient", "image")), strict=True))
    for name, mine in several.items():
        mask = release.read_mask(paths[name], "Pneumothorax")
        pieces = [decode_rle([piece], (1024, 1024)) for piece in mine]
        assert mask.sum() == sum(piece.sum() for piece in pieces) > max(piece.sum() for piece in pieces)


def test_masks_stand_where_the_phantom_has_its_pneumothorax(release):
    """Upright: a transposed mask would not fit the phantom's, which the miniature enlarged."""
    from medvl.datasets.fakes.frontal_images import draw_frontal

    images = draw_frontal(14, 3, resolution=64)
    for row in release.table().to_pylist():
        place = int(row["patient"].rpartition(".")[2])
        wanted = images.phantom.read_mask(images.table["image"][place].as_py(), "Pneumothorax")
        mask = release.read_mask(row["image"], "Pneumothorax")
        assert mask.shape == (1024, 1024) and mask.dtype == bool
        assert mask.any() == bool(row["label.Pneumothorax"])
        if mask.any():
            small = mask.reshape(64, 16, 64, 16).mean((1, 3)) > 0.5
            assert (small & wanted).sum() > 0.6 * (small | wanted).sum()


def test_images_are_found_in_nested_folders(release):
    table = release.table()
    references = table["image"].to_pylist()
    assert release.missing(references) == []
    study = table["study"][0].as_py()
    assert references[0].split("/")[1] == study and len(references[0].split("/")) == 4
    image = release.read_image(references[0])
    assert image.shape == (1024, 1024) and image.std() > 20


def test_images_without_rows_are_unknown_not_negative(release, cells):
    everything = SiimAcr(root=release.root, unlabelled=True)
    table = everything.table()
    more = [row for row in table.to_pylist() if row["patient"] not in cells]
    assert more and {row["label.Pneumothorax"] for row in more} == {None}
    assert table.num_rows == release.table().num_rows + len(more)
    assert everything.missing(table["image"].to_pylist()) == [] and everything.official == {}
    with pytest.raises(DataError, match="whether it has a mask is unknown"):
        everything.read_mask(more[0]["image"], "Pneumothorax")


def test_an_image_that_is_not_there_is_reported_missing(release, tmp_path):
    shutil.copytree(release.root, tmp_path / "copy")
    dataset = SiimAcr(root=tmp_path / "copy")
    gone = dataset.table()["image"][1].as_py()
    (dataset.root / gone).unlink()
    again = SiimAcr(root=dataset.root)
    references = again.table()["image"].to_pylist()
    assert len(references) == dataset.table().num_rows
    assert again.missing(references) == [1]


def test_no_other_label(release):
    with pytest.raises(DataError, match=r"unknown label 'Pneumotorax'.*did you mean 'Pneumothorax'"):
        release.read_mask("x.dcm", "Pneumotorax")


def test_a_broken_mask_is_named_with_its_file(tmp_path):
    (tmp_path / "dicom-images-train").mkdir()
    (tmp_path / "train-rle.csv").write_text("ImageId, EncodedPixels\n1.2.3, 1048000 600\n1.2.4,\n")
    dataset = SiimAcr(root=tmp_path)
    with pytest.raises(DataError, match=r"train-rle.csv: rows with a blank"):
        dataset.table()
    (tmp_path / "train-rle.csv").write_text("ImageId, EncodedPixels\n1.2.3, 1048000 600\n")
    with pytest.raises(DataError, match=r"train-rle.csv: ImageId 1.2.3: .* ends at pixel 1048600 of 1048576"):
        SiimAcr(root=tmp_path).read_mask("dicom-images-train/1.2.3.dcm", "Pneumothorax")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"train-rle.csv: is missing.*kaggle.com"):
        SiimAcr(root=tmp_path).table()


def test_the_owners_count():
    assert SiimAcr(root="nowhere").official == {"images": 12_047}


def test_masks_are_read_whatever_the_table_was_asked_for(release):
    fresh = SiimAcr(root=release.root)
    assert np.array_equal(
        fresh.read_mask(release.table()["image"][0].as_py(), "Pneumothorax"),
        release.read_mask(release.table()["image"][0].as_py(), "Pneumothorax"),
    )


def test_what_it_calls_masks_can_be_read(release):
    reference = release.table()["image"][0].as_py()
    (name,) = release.masks
    (mask,) = release.read_masks([reference], name)
    assert np.array_equal(mask, release.read_mask(reference, name))
