import json

import pytest
import timm
import torch
from medvl_moco_cxr.objective import MoCo
from medvl_moco_cxr.released import from_released, name_of, read, to_released, write
from safetensors.torch import load_file

import medvl
from medvl.contract import DataSpec
from medvl.models.base import Model
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.weights import save_weights
from medvl.objectives.multilabel import Multilabel
from tests.golden_fixtures import FOLDER

MODELS = {"resnet18": "fc", "resnet50": "fc", "densenet121": "classifier"}
STEMS = ("conv1.weight", "features.conv0.weight")
FINDINGS = DataSpec(labels=("Atelectasis", "Edema", "Pleural Effusion"))


def filled(name, shape):
    """Random numbers; one is repeated along the first axis, which takes no memory. Gray is all that a stem can keep."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith(STEMS) and shape[1] == 3:
        return torch.randn(1, 1, *shape[2:]).expand(shape)
    return torch.randn(shape[1:]).expand(shape) if len(shape) > 1 else torch.randn(shape)


@pytest.fixture(scope="module", params=MODELS)
def full(request):
    """(model, the tensors of its pre-training checkpoint at full shapes)."""
    layout = json.loads((FOLDER / "moco_cxr_layouts.json").read_text())["encoders"][request.param]
    torch.manual_seed(0)
    state = {
        f"module.{side}.{name}": filled(name, shape)
        for side in ("encoder_q", "encoder_k")
        for name, shape in layout.items()
    }
    queue = {"module.queue": torch.randn(24576).expand(128, -1), "module.queue_ptr": torch.tensor([48])}
    return request.param, queue | state


@pytest.fixture(scope="module")
def modules(full):
    """Our image encoder and objective at the released sizes; on the meta device, which holds no weights."""
    with torch.device("meta"):
        model = Model(image=TimmEncoder(320, model=full[0]))
        return model, MoCo(model, queue_size=24576, dim=128)


def shapes(state):
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}


def test_every_tensor_has_its_place_in_our_parts(full, modules):
    model, objective = modules
    parts = from_released(full[1])
    assert set(parts) == {"image", "projection", "objective"}
    expected = {"image": model.image, "projection": objective.head, "objective": objective}
    for part, module in expected.items():
        assert shapes(parts[part]) == shapes(module.state_dict()), part


def test_there_and_back_is_the_same_file(full):
    state = full[1]
    back = to_released(from_released(state))
    assert shapes(back) == shapes(state)
    for name, tensor in state.items():
        assert back[name].equal(tensor) or (name.endswith(STEMS) and back[name].allclose(tensor)), name


def test_fine_tuned_models_go_there_and_back(full):
    model, state = full
    head = "module.fc." if MODELS[model] == "fc" else "module.model.classifier."
    width = state[f"module.encoder_q.{MODELS[model]}.0.weight"].shape[1]
    tuned = {
        f"module.model.{name.removeprefix('module.encoder_q.')}": tensor
        for name, tensor in state.items()
        if name.startswith("module.encoder_q.") and f".{MODELS[model]}." not in name
    } | {f"{head}weight": torch.randn(3, width), f"{head}bias": torch.randn(3)}
    if MODELS[model] == "fc":
        tuned |= {"module.model.last_linear.weight": torch.zeros(1000, width)}
        tuned |= {"module.model.last_linear.bias": torch.zeros(1000)}
    parts = from_released(tuned)
    with torch.device("meta"):
        own = Model(image=TimmEncoder(320, model=model))
        assert shapes(parts["head"]) == shapes(Multilabel(own, FINDINGS).head.state_dict())
    assert set(parts) == {"image", "head"} and shapes(parts["image"]) == shapes(own.image.state_dict())
    back = to_released(parts)
    assert shapes(back) == shapes(tuned)
    for name, tensor in tuned.items():
        assert back[name].equal(tensor) or (name.endswith(STEMS) and back[name].allclose(tensor)), name


def test_models_have_the_names_that_the_authors_code_builds_them_by(full, modules):
    model, _ = modules
    assert name_of(model.image.state_dict()).lower() == full[0]
    with pytest.raises(medvl.WeightsError, match=r"1 convolutions is none.*resnet18, resnet50, densenet121"):
        name_of({"net.conv1.weight": torch.zeros(1, 1, 1, 1)})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The exports of a pre-training and of a fine-tuning stage, and the modules."""
    torch.manual_seed(0)
    model = Model(image=TimmEncoder(32, model="resnet18"))
    folders = []
    for objective in (MoCo(model, queue_size=6, dim=4), Multilabel(model, FINDINGS)):
        folder = tmp_path_factory.mktemp("exports")
        for name, module in objective.exports(model).items():
            save_weights(module, folder / f"{name}.safetensors")
        save_weights(objective, folder / "objective.safetensors")
        folders.append((folder, {**objective.exports(model), "objective": objective}))
    return folders


@pytest.mark.parametrize("stage", [0, 1], ids=["pre-training", "fine-tuning"])
def test_files_go_both_ways(exported, stage, tmp_path):
    folder, modules = exported[stage]
    write(folder, tmp_path / "checkpoint.pth.tar")
    content = torch.load(tmp_path / "checkpoint.pth.tar", weights_only=True)
    assert content.get("arch", content.get("model_name", "").lower()) == "resnet18"
    read(tmp_path / "checkpoint.pth.tar", tmp_path / "parts")
    written = {file.stem for file in (tmp_path / "parts").iterdir()}
    assert written == ({"image", "projection", "objective"} if stage == 0 else {"image", "head"})
    for part in written:
        found = load_file(tmp_path / "parts" / f"{part}.safetensors")
        assert found.keys() == modules[part].state_dict().keys()
        for name, tensor in modules[part].state_dict().items():
            torch.testing.assert_close(found[name], tensor, msg=lambda m, name=name: f"{name}: {m}")


@torch.no_grad()
def test_the_released_encoder_sees_gray_in_three_colours_as_ours_sees_one(exported, tmp_path):
    """Their names are torchvision's, which timm's three-channel models share."""
    folder, modules = exported[0]
    write(folder, tmp_path / "checkpoint.pth.tar")
    state = torch.load(tmp_path / "checkpoint.pth.tar", weights_only=True)["state_dict"]
    theirs = timm.create_model("resnet18", num_classes=0).eval()
    prefix = "module.encoder_q."
    encoder = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    theirs.load_state_dict({name: tensor for name, tensor in encoder.items() if not name.startswith("fc.")})
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(
        theirs(images.expand(-1, 3, -1, -1)), modules["image"].eval()(images)["pooled"], atol=1e-5, rtol=1e-4
    )
    started = TimmEncoder(32, model="resnet18", weights=str(tmp_path / "checkpoint.pth.tar"), prefix="encoder_q.")
    torch.testing.assert_close(started.eval()(images)["pooled"], modules["image"](images)["pooled"])


def test_other_layouts_are_refused(tmp_path):
    with pytest.raises(medvl.WeightsError, match=r"2 tensors are not of MoCo-CXR's .* e\.g\. bert\.pooler, cls\.bias"):
        from_released({"module.bert.pooler": torch.zeros(1), "cls.bias": torch.zeros(1)})
    with pytest.raises(
        medvl.WeightsError, match=r"of pre-training has image and projection, and projection is missing"
    ):
        to_released({"image": {"net.conv1.weight": torch.zeros(1, 1, 1, 1)}})
    with pytest.raises(medvl.WeightsError, match=r"of fine-tuning has an encoder, and these 2 tensors have none"):
        from_released({"module.fc.weight": torch.zeros(3, 8), "module.fc.bias": torch.zeros(3)})
    parts = {"image": {}, "projection": {}, "objective": {"mirror_queue.keys": torch.zeros(1)}}
    with pytest.raises(medvl.WeightsError, match=r"no place for 'mirror_queue\.keys' of part 'objective'.*one queue"):
        to_released(parts)
    (tmp_path / "no.pth").write_text("hi")
    with pytest.raises(medvl.WeightsError, match="corrupt or no torch checkpoint"):
        read(tmp_path / "no.pth", tmp_path / "parts")
    torch.save({"state_dict": {}, "best": Best()}, tmp_path / "more.pth")
    with pytest.raises(medvl.WeightsError, match="holds more than tensors"):
        read(tmp_path / "more.pth", tmp_path / "parts")


class Best:
    """What no file of weights should hold."""


def test_a_head_that_stands_on_a_fusion_is_refused(exported):
    parts = medvl.load_parts(exported[1][0], {"image", "head"})
    parts["head"] = {name: tensor[..., :64] for name, tensor in parts["head"].items()}
    with pytest.raises(medvl.WeightsError, match="the head reads 64 features and the image encoder gives 512"):
        to_released(parts)
