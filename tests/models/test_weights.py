import argparse
import os
import pickle

import pytest
import torch
from torch import nn

from medvl.errors import WeightsError
from medvl.models.weights import load_weights, read_weights, save_weights, take_prefix


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.decode = nn.Linear(3, 5)
        self.decode.weight = self.embed.weight


class RunsCode:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("module", [net(), Tied()], ids=["plain", "tied"])
def test_saved_weights_come_back(module, tmp_path):
    save_weights(module, tmp_path / "net.safetensors", {"name": "test"})
    state = read_weights(tmp_path / "net.safetensors")
    assert same(state, module.state_dict())
    fresh = type(module)() if isinstance(module, Tied) else net()
    coverage = load_weights(fresh, state, source="net", expected=1.0)
    assert coverage.share == 1.0 and not coverage.unexpected
    assert same(fresh.state_dict(), module.state_dict())
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_tied_weights_stay_tied_after_loading(tmp_path):
    module = Tied()
    save_weights(module, tmp_path / "net.safetensors")
    load_weights(module, read_weights(tmp_path / "net.safetensors"), source="net")
    assert module.decode.weight is module.embed.weight


def test_views_of_one_tensor_keep_their_own_values(tmp_path):
    module, both = nn.Module(), torch.arange(6.0)
    module.register_buffer("first", both[:3])
    module.register_buffer("second", both[3:])
    save_weights(module, tmp_path / "net.safetensors")
    assert read_weights(tmp_path / "net.safetensors")["second"].tolist() == [3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {"state_dict": state}, "args": argparse.Namespace(lr=0.1)},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
    ],
    ids=["plain", "state_dict", "nested with settings", "DataParallel", "compiled"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_wrappers_of_training_scripts_are_taken_off(wrap, zipped, tmp_path):
    state = net().state_dict()
    torch.save(wrap(state), tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_weights(tmp_path / "net.pth"), state)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_pickles_that_would_run_code_are_refused(how, tmp_path):
    path, marker = tmp_path / "evil.pth", tmp_path / "it-ran"
    content = {"state_dict": {"weight": RunsCode(str(marker))}}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(WeightsError, match=r"evil\.pth is refused.*run\s+code"):
        read_weights(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no weights " * 40])
def test_corrupt_files_say_so(name, damage, tmp_path):
    path = tmp_path / name
    if name.endswith("pth"):
        torch.save(net().state_dict(), path)
    else:
        save_weights(net(), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match="corrupt"):
        read_weights(path)


@pytest.mark.parametrize("content", [torch.ones(3), {"epoch": 3}, [torch.ones(3)]])
def test_files_without_named_tensors_say_so(content, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="no named tensors"):
        read_weights(tmp_path / "net.pth")


def test_missing_files_say_so(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        read_weights(tmp_path / "net.pth")


def test_coverage_tells_the_four_groups_apart():
    module = net()
    state = {name: tensor + 1 for name, tensor in net().state_dict().items()}
    del state["1.bias"]
    state |= {"2.weight": torch.zeros(7, 4), "head.weight": torch.zeros(1)}
    before = module[2].weight.clone()
    coverage = load_weights(module, state, source="here", expected=0.5)
    assert coverage.missing == ("1.bias",)
    assert coverage.unexpected == ("head.weight",)
    assert dict(coverage.other_shape) == {"2.weight": ((2, 4), (7, 4))}
    assert set(coverage.loaded) == set(module.state_dict()) - {"1.bias", "2.weight"}
    assert coverage.share == 7 / 9
    assert torch.equal(module[0].weight, state["0.weight"]) and torch.equal(module[2].weight, before)
    assert "7 of 9 tensors loaded (77.8%)" in coverage.summary()
    assert coverage.notes() == [f"{coverage.summary()}; not loaded: 1.bias, 2.weight"]
    assert load_weights(module, module.state_dict(), source="here").notes() == []


def test_too_little_coverage_is_an_error_and_changes_nothing():
    module = net()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = {"0.weight": torch.zeros(4, 3), "0.bias": torch.zeros(9), "other": torch.zeros(1)}
    with pytest.raises(WeightsError) as caught:
        load_weights(module, state, source="here.pth")
    message = str(caught.value)
    assert "here.pth: 1 of 8 tensors" in message and "at least 95%" in message
    assert "missing: 1.weight" in message and "0.bias (9,), wanted (4,)" in message and "left over: other" in message
    assert "do:" in message
    assert same(before, module.state_dict())


def test_a_missing_batch_counter_is_no_gap():
    state = {name: tensor for name, tensor in net().state_dict().items() if "num_batches" not in name}
    assert load_weights(net(), state, source="old.pth", expected=1.0).share == 1.0


def test_rename_maps_and_drops():
    state = {f"q.{name}": tensor for name, tensor in net().state_dict().items()} | {"k.0.weight": torch.zeros(4, 3)}
    coverage = load_weights(
        net(), state, source="moco", expected=1.0, rename=lambda n: n[2:] if n.startswith("q.") else None
    )
    assert coverage.share == 1.0 and not coverage.unexpected


def test_the_one_prefix_that_fits_is_found():
    own = net().state_dict()
    state = {f"image.net.{name}": tensor for name, tensor in own.items()} | {"head.0": torch.zeros(1)}
    assert same(take_prefix(state, net(), source="x"), own)
    assert same(take_prefix(own, net(), source="x"), own)


def test_two_prefixes_that_fit_must_be_chosen_between():
    own = net().state_dict()
    state = {f"{side}.{name}": tensor + (side == "k") for side in "qk" for name, tensor in own.items()}
    with pytest.raises(WeightsError, match=r"under k\. and q\..*prefix: k\."):
        take_prefix(state, net(), source="moco.pth")
    chosen = take_prefix(state, net(), source="moco.pth", prefix="q.")
    assert torch.equal(chosen["0.weight"], own["0.weight"])
    with pytest.raises(WeightsError, match=r"no name starts with prefix 'z\.'"):
        take_prefix(state, net(), source="moco.pth", prefix="z.")
