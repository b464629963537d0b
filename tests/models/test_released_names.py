import pytest
import torch

import medvl


@pytest.fixture
def names():
    pairs = (("image", "enc.", "net."), ("head", "fc.", ""), ("head", "bias", "own_bias"))
    return medvl.ReleasedNames("Theirs", pairs, give="the right file", take="a ResNet")


def test_names_go_there_and_back(names):
    assert names.parts == ("image", "head")
    places = names.ours(["enc.conv.weight", "fc.weight", "bias"])
    assert places == {
        "enc.conv.weight": ("image", "net.conv.weight"),
        "fc.weight": ("head", "weight"),
        "bias": ("head", "own_bias"),
    }
    assert [names.theirs(*place) for name, place in places.items() if name != "bias"] == [
        "enc.conv.weight",
        "fc.weight",
    ]


def test_the_first_name_that_fits_counts():
    names = medvl.ReleasedNames("Theirs", (("head", "enc.fc.", ""), ("image", "enc.", "net.")), give="a", take="b")
    assert names.ours(["enc.fc.weight"]) == {"enc.fc.weight": ("head", "weight")}


def test_other_files_are_refused_with_what_to_do(names):
    with pytest.raises(
        medvl.WeightsError, match=r"4 tensors are not of Theirs's .* e\.g\. a, b, c\. do: give the right"
    ):
        names.ours(["enc.x", "a", "b", "c", "d"])
    with pytest.raises(medvl.WeightsError, match="there is no tensor of Theirs's"):
        names.ours([])
    with pytest.raises(
        medvl.WeightsError, match=r"no place for 'x' of part 'image'.*take a ResNet, and parts of image, h"
    ):
        names.theirs("image", "x")


def test_parts_are_files_of_a_folder_and_exports_of_terms_count(tmp_path):
    parts = {
        "image": {"net.w": torch.randn(3, 2).T},
        "report.head": {"b": torch.randn(2)},
        "other": {"c": torch.ones(1)},
    }
    medvl.save_parts(parts, tmp_path / "new" / "folder")
    back = medvl.load_parts(tmp_path / "new" / "folder", {"image", "head"})
    assert set(back) == {"image", "head"}
    assert back["image"]["net.w"].equal(parts["image"]["net.w"])
    assert back["head"]["b"].equal(parts["report.head"]["b"])
    medvl.save_parts({"head": {"b": torch.ones(1)}}, tmp_path / "new" / "folder")
    with pytest.raises(medvl.WeightsError, match=r"are part 'head', one of them report\.head"):
        medvl.load_parts(tmp_path / "new" / "folder", {"image", "head"})


def test_one_channel_makes_of_gray_what_three_do():
    colours, gray = torch.randn(4, 3, 5, 5), torch.randn(2, 1, 9, 9)
    one = medvl.one_channel(colours)
    expected = torch.conv2d(gray.repeat(1, 3, 1, 1), colours)
    torch.testing.assert_close(torch.conv2d(gray, one), expected)
    torch.testing.assert_close(torch.conv2d(gray.repeat(1, 3, 1, 1), medvl.three_channels(one)), expected)
    assert medvl.one_channel(one) is one
    assert medvl.three_channels(colours) is colours
