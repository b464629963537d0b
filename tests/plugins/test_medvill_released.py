import json

import pytest
import torch
from medvl_medvill.fusion import MedViLL
from medvl_medvill.released import PARTS, from_released, read, to_released, write

import medvl
from medvl.contract import DataSpec
from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.schemes import bar
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus
from medvl.objectives.masked_language import MaskedLanguageModelling
from medvl.objectives.report_matching import ReportMatching
from tests.golden_fixtures import FOLDER

STEM = "enc.img_encoder.model.0.weight"
COUNTED = "enc.txt_embeddings.position_ids"


@pytest.fixture(scope="module")
def full():
    """Random weights of the full shapes. A number is repeated along the first axis, which takes no memory."""
    layout = json.loads((FOLDER / "medvill_pretrain_layout.json").read_text())
    torch.manual_seed(0)
    state = {}
    for name, shape in layout["entries"].items():
        if name in layout["int64"]:
            state[name] = torch.tensor(7).expand(shape)
        else:
            state[name] = torch.randn(shape[1:]).expand(shape) if len(shape) > 1 else torch.randn(shape)
    state[STEM] = torch.randn(64, 1, 7, 7).expand(64, 3, 7, 7)  # what it makes of gray is all that can be kept
    state[COUNTED] = torch.arange(512)[None]
    for copy, original in (
        ("enc.img_embeddings.token_type_embeddings.weight", "enc.txt_embeddings.token_type_embeddings.weight"),
        ("enc.img_embeddings.position_embeddings.weight", "enc.txt_embeddings.position_embeddings.weight"),
        ("enc.img_embeddings.LayerNorm.weight", "enc.txt_embeddings.LayerNorm.weight"),
        ("enc.img_embeddings.LayerNorm.bias", "enc.txt_embeddings.LayerNorm.bias"),
        ("mlm.predictions.decoder.weight", "enc.txt_embeddings.word_embeddings.weight"),
    ):
        state[copy] = state[original]
    return state


@pytest.fixture(scope="module")
def modules():
    """Our parts at the paper's sizes; on the meta device, which holds no weights."""
    with torch.device("meta"):
        model = Model(TimmEncoder(512, model="resnet50"), BertEncoder(Corpus(), weights="none"))
        model.fusion = MedViLL(model, preset="released", sampled=180, mask=bar)
        words, matching = MaskedLanguageModelling(model), ReportMatching(model, DataSpec(labels=("a",)))
    parts = (model.text, model.fusion, model.image, words.head, matching.head)
    return dict(zip(("text", "fusion", "image", "vocabulary_head", "matching_head"), parts, strict=True))


def shapes(state):
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}


def test_every_tensor_has_its_place_in_our_parts(full, modules):
    parts = from_released(full)
    assert set(parts) == set(PARTS) == set(modules)
    for part, module in modules.items():
        assert shapes(parts[part]) == shapes(module.state_dict()), part


def test_there_and_back_is_the_same_file(full):
    back = to_released(from_released(full))
    assert len(back) == 532
    assert shapes(back) == shapes(full)
    for name, tensor in full.items():
        assert back[name].equal(tensor) or (name == STEM and back[name].allclose(tensor)), name


def test_colours_are_summed_and_dealt_out():
    state = {STEM: torch.randn(2, 3, 7, 7)}
    gray = torch.randn(1, 1, 7, 7)
    ours = from_released(state)["image"]["net.conv1.weight"]
    expected = (gray * state[STEM]).sum((1, 2, 3))
    torch.testing.assert_close((gray * ours).sum((1, 2, 3)), expected)
    text = {"transformer.embeddings.position_embeddings.weight": torch.zeros(4, 2)}
    for name in ("word_embeddings.weight", "token_type_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"):
        text[f"transformer.embeddings.{name}"] = torch.zeros(2)
    back = to_released({"image": {"net.conv1.weight": ours}, "text": text})[STEM]
    assert back.shape == (2, 3, 7, 7)
    torch.testing.assert_close((gray * back).sum((1, 2, 3)), expected)


def test_files_go_both_ways(tmp_path, full):
    small = {name: full[name].flatten()[:2].clone() for name in full if "enc.encoder.layer.0" in name or "itm" in name}
    small |= {name: full[name][:2, ..., :2].clone() for name in full if "embeddings" in name and full[name].ndim == 2}
    small |= {name: full[name][:2].clone() for name in full if name.endswith(("LayerNorm.weight", "LayerNorm.bias"))}
    small["mlm.predictions.decoder.weight"] = small["enc.txt_embeddings.word_embeddings.weight"]
    small[COUNTED] = torch.arange(2)[None]
    torch.save(small, tmp_path / "pytorch_model.bin")
    read(tmp_path / "pytorch_model.bin", tmp_path / "parts")
    heads = tmp_path / "parts" / "matching_head.safetensors"
    heads.rename(tmp_path / "parts" / "report.matching_head.safetensors")  # as a stage exports it
    write(tmp_path / "parts", tmp_path / "back.bin")
    back = torch.load(tmp_path / "back.bin", weights_only=True)
    assert set(back) == set(small)
    assert all(back[name].equal(tensor) for name, tensor in small.items())


def test_other_layouts_are_refused(modules):
    with pytest.raises(medvl.WeightsError, match=r"2 tensors are not of MedViLL's .* e.g. bert.pooler, cls.bias"):
        from_released({"bert.pooler": torch.zeros(1), "cls.bias": torch.zeros(1), COUNTED: torch.zeros(1, 2)})
    with pytest.raises(medvl.WeightsError, match=r"no place for 'place.location' of part 'fusion'.*preset: released"):
        to_released({"fusion": {"place.location": torch.zeros(1)}})
    with pytest.raises(medvl.WeightsError, match="text part, which is missing"):
        to_released({"fusion": {"project.bias": torch.zeros(1)}})
