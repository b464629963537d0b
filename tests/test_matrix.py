"""Image encoders x text encoders x every registered fusion: a training step, or a reason and a way out."""

from pathlib import Path

import pytest
import torch

from medvl.config.resolve import plugin_requests, read_tree, resolve
from medvl.engine.assemble import build_dataset, build_model, build_objective, data_spec
from medvl.engine.check import check_experiment
from medvl.engine.trainable import Trainable
from medvl.errors import ConfigError
from medvl.models.base import Model
from medvl.models.tokenizer import Corpus
from medvl.plugins import Plugins
from tests import small

GRU = Path(__file__).with_name("gru_plugin.py")
PLUGINS = Plugins([GRU])
FUSIONS = PLUGINS.registry.names("fusion")
SETTINGS = {
    "timm": {"weights": "none"},
    "bert": {"weights": "none", "layers": 1, "width": 32},
    "gru": {"width": 16, "hidden": [16], "vocab_size": 100},
    "small_gru": {},
    "attentive": {"width": 32, "hidden": 16},
}
# of each family that timm has, one that is small or often used
TIMM = ["resnet18", "densenet121", "mobilenetv3_small_050", "test_convnext", "vit_tiny_patch16_224", "swin_s3_tiny_224"]
ENCODERS = {
    modality: [
        name for name in PLUGINS.registry.names("encoder")
        if PLUGINS.registry.get("encoder", name).load().modality == modality
    ]
    for modality in ("image", "text")
}  # fmt: skip
IMAGES = [("timm", {"model": model}) for model in TIMM] + [(name, {}) for name in ENCODERS["image"] if name != "timm"]
REPORTS = ["cough and fever", "", "shortness of breath since yesterday", "line placement"]


def planned(tmp_path, image, text, fusion):
    (name, parameters) = image
    stage = small.FINETUNE | {
        "model": {
            "image": {"name": name, **SETTINGS.get(name, {}), **parameters},
            "text": {"name": text, **SETTINGS.get(text, {})},
            "fusion": {"name": fusion, **SETTINGS.get(fusion, {})},
        },
        "views": {"image": {"name": "plain", "size": 64}},
        "stop": None,
        "evaluate": [],
    }
    tree = read_tree(small.write(tmp_path, small.experiment(only=stage)))
    files, required = plugin_requests(tree, (str(GRU),))
    return check_experiment(resolve(tree, Plugins(files, required)))["only"]


def batch(model: Model, labels: int) -> dict[str, torch.Tensor]:
    """Four made-up cases."""
    cases = {"image": torch.rand(4, 1, 64, 64), "labels": torch.randint(0, 2, (4, labels)).float()}
    if model.text is not None:
        ids, offsets = model.text.tokenizer.encode(REPORTS)
        lengths = torch.from_numpy(offsets).diff()
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        cases |= {"text.ids": torch.zeros(mask.shape, dtype=torch.int64), "text.mask": mask}
        cases["text.ids"][mask] = torch.from_numpy(ids).long()
    return cases


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("text", ENCODERS["text"])
@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image[1].get("model", image[0]))
def test_trains_or_is_refused_with_a_way_out(tmp_path, image, text, fusion):
    lacking = required_of_text(fusion) - PLUGINS.registry.get("encoder", text).load().capabilities
    if lacking and text != "bert":  # what BERT can do depends on its parameters
        with pytest.raises(ConfigError) as error:
            planned(tmp_path, image, text, fusion)
        told = str(error.value)
        assert "small.yaml:" in told and f"fusion '{fusion}' requires '{lacking.pop()}'" in told
        assert f"'{text}'" in told and "fit" in told
        return
    plan = planned(tmp_path, image, text, fusion)
    torch.manual_seed(0)
    model = build_model(plan.stage, plan.size, Corpus(lambda: REPORTS), only=plan.slots)
    data = data_spec(plan.stage, build_dataset(plan.stage))
    trainable = Trainable(model, build_objective(plan.stage, model, data))
    cases = batch(model, len(data.labels))
    losses = [step(trainable, cases) for _ in range(2)]
    assert all(torch.isfinite(loss) for loss in losses) and losses[0] != losses[1]
    for slot in plan.slots:
        trained = [p for p in getattr(model, slot).parameters() if p.grad is not None and p.grad.abs().max() > 0]
        assert trained or not list(getattr(model, slot).parameters()), f"nothing of {slot} is trained"


def required_of_text(fusion: str) -> set[str]:
    return set(PLUGINS.registry.get("fusion", fusion).load().requires.get("text", ()))


def step(trainable: Trainable, cases: dict[str, torch.Tensor]) -> torch.Tensor:
    loss = torch.stack(list(trainable(cases).values())).sum()
    loss.backward()
    with torch.no_grad():
        for parameter in trainable.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
    return loss.detach()


def test_the_matrix_holds_what_is_registered():
    assert {"concat", "image_only", "text_only", "mmbt"} <= set(FUSIONS)
    assert set(ENCODERS["text"]) >= {"bert", "gru", "small_gru"} and "timm" in ENCODERS["image"]
