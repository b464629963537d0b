import timm
import torch

from medvl.models.channels import to_one_channel, to_three_channels


def test_one_channel_equals_three_of_repeated_gray():
    torch.manual_seed(0)
    color = timm.create_model("resnet18", num_classes=0).eval()
    gray = timm.create_model("resnet18", num_classes=0, in_chans=1).eval()
    gray.load_state_dict(to_one_channel(color.state_dict(), ["conv1"]))
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(gray(images), color(images.repeat(1, 3, 1, 1)), atol=1e-5, rtol=1e-5)


def test_three_channels_undo_one():
    torch.manual_seed(0)
    gray = timm.create_model("resnet18", num_classes=0, in_chans=1).eval()
    color = timm.create_model("resnet18", num_classes=0).eval()
    state = gray.state_dict()
    color.load_state_dict(to_three_channels(state, ["conv1"]))
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(color(images.repeat(1, 3, 1, 1)), gray(images), atol=1e-5, rtol=1e-5)
    again = to_one_channel(to_three_channels(state, ["conv1"]), ["conv1"])
    torch.testing.assert_close(again["conv1.weight"], state["conv1.weight"])


def test_other_tensors_stay():
    state = {"conv1.weight": torch.ones(2, 3, 1, 1), "layer.weight": torch.ones(2, 3, 1, 1)}
    assert to_one_channel(state, ["conv1"])["layer.weight"] is state["layer.weight"]
    assert to_one_channel(state, ["conv1"])["conv1.weight"].shape == (2, 1, 1, 1)
    assert to_three_channels(state, ["conv1"])["conv1.weight"].shape == (2, 3, 1, 1)
