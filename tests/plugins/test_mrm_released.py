"""The authors' checkpoint, MAE's, and what a stage exports: each loads where it should."""

import argparse
import json

import pytest
import timm
import tokenizers
import torch
from medvl_mrm.objective import MRM
from medvl_mrm.released import COUNTED, PARTS, POSITIONS, STEM, from_released, main, to_released, tokenizer_of
from safetensors.torch import load_file

import medvl
from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.channels import to_three_channels
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus, Tokenizer
from medvl.models.weights import save_weights
from tests.golden_fixtures import FOLDER

COPY, ORIGINAL = "bert_encoder.model.cls.predictions.decoder.bias", "bert_encoder.model.cls.predictions.bias"


@pytest.fixture(scope="module")
def full():
    """Random weights of the full shapes. A number is repeated along the first axis, which takes no memory."""
    layout = json.loads((FOLDER / "mrm_pretrain_layout.json").read_text())
    torch.manual_seed(0)
    state = {}
    for name, shape in layout["entries"].items():
        state[name] = torch.randn(shape[1:]).expand(shape) if len(shape) > 1 else torch.randn(shape)
    state[STEM] = torch.randn(768, 1, 16, 16).expand(768, 3, 16, 16)  # what it makes of gray is all that can be kept
    state[COUNTED] = torch.arange(100)[None]
    state[POSITIONS] = state[POSITIONS].index_fill(1, torch.tensor(0), 0)
    state[COPY] = state[ORIGINAL]
    return state


def parts_of(size=224, name="vit_base_patch16_224", decoder=None, **sizes):
    """Our parts, at the paper's sizes where none are given."""
    given = {"layers": 6, "width": 384, "heads": 6, "intermediate": 1536, "positions": 100, "vocab_size": 30000}
    text = BertEncoder(Corpus(), weights="none", max_length=16, **(given | sizes))
    model = Model(TimmEncoder(size, model=name, positions="sincos_quarter"), text)
    return MRM(model, preset="released", decoder_width=decoder).exports(model)


def shapes(state):
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}


def test_every_tensor_has_its_place_in_our_parts(full):
    with torch.device("meta"):
        modules = parts_of()
    parts = from_released(full)
    assert set(parts) == set(PARTS) == set(modules)
    for part, module in modules.items():
        assert shapes(parts[part]) == shapes(module.state_dict()), part
    assert sum(p.numel() for module in modules.values() for p in module.parameters()) == pytest.approx(
        151.6e6, rel=0.01
    )


def test_there_and_back_is_the_same_file(full):
    back = to_released(from_released(full))
    assert len(back) == 319
    assert shapes(back) == shapes(full)
    for name, tensor in full.items():
        assert back[name].equal(tensor) or (name == STEM and back[name].allclose(tensor)), name


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """What a tiny stage exports, as files; and the modules."""
    torch.manual_seed(0)
    modules = parts_of(32, "test_vit", 24, layers=1, width=24, heads=6, intermediate=48, vocab_size=60)
    folder = tmp_path_factory.mktemp("exports")
    for name, module in modules.items():
        save_weights(module, folder / f"{name}.safetensors")
    return folder, modules


def test_files_go_both_ways(exported, tmp_path):
    folder, modules = exported
    main(["write", str(folder), str(tmp_path / "MRM.pth")])
    content = torch.load(tmp_path / "MRM.pth", weights_only=True)
    assert content["model"][POSITIONS].shape == (1, 5, 24) and not content["model"][POSITIONS][:, 0].any()
    torch.save(content | {"epoch": 199, "args": argparse.Namespace(lr=1e-4)}, tmp_path / "MRM.pth")
    main(["read", str(tmp_path / "MRM.pth"), str(tmp_path / "parts")])
    for part, module in modules.items():
        found = load_file(tmp_path / "parts" / f"{part}.safetensors")
        assert found.keys() == module.state_dict().keys()
        for name, tensor in module.state_dict().items():
            torch.testing.assert_close(found[name], tensor, msg=lambda m, name=name: f"{name}: {m}")


@torch.no_grad()
def test_exports_load_into_plain_timm(exported):
    folder, modules = exported
    state = {name.removeprefix("net."): tensor for name, tensor in load_file(folder / "image.safetensors").items()}
    images = torch.randn(2, 1, 32, 32)
    expected = modules["image"].eval()(images, ("tokens", "pooled"))
    gray = timm.create_model("test_vit", img_size=32, num_classes=0, in_chans=1).eval()
    gray.load_state_dict(state)
    torch.testing.assert_close(gray(images), expected["pooled"])
    coloured = timm.create_model("test_vit", img_size=32, num_classes=0).eval()
    coloured.load_state_dict(to_three_channels(state, ("patch_embed.proj",)))
    found = coloured.forward_features(images.expand(-1, 3, -1, -1))
    torch.testing.assert_close(found[:, 1:], expected["tokens"], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("positions", ["sincos", "learned"])
def test_an_encoder_starts_from_the_authors_file_and_from_maes(exported, tmp_path, positions):
    """MAE's checkpoint has the encoder's names of this one, and a table that stays as it is in the file."""
    folder, modules = exported
    main(["write", str(folder), str(tmp_path / "MRM.pth")])
    whole = torch.load(tmp_path / "MRM.pth", weights_only=True)["model"]
    encoder = {name: t for name, t in whole.items() if name.startswith(("cls", "pos", "patch", "blocks", "norm"))}
    torch.save({"model": encoder}, tmp_path / "mae_pretrain_vit_base.pth")
    for name in ("MRM.pth", "mae_pretrain_vit_base.pth"):
        started = TimmEncoder(32, model="test_vit", weights=str(tmp_path / name), positions=positions, expected=1.0)
        torch.testing.assert_close(started.net.pos_embed.detach(), modules["image"].net.pos_embed.detach())
        assert started.net.pos_embed.requires_grad == (positions == "learned")


def wordpiece():
    """A tokenizer file like the authors': no [SEP], no post-processor."""
    words = {name: number for number, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[MASK]", "heart", "size", "##s"])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(words, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return backend.to_str()


def test_the_authors_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text(tokenizer_of(wordpiece()))
    tokenizer = Tokenizer.read(tmp_path / "tokenizer.json", 4)
    ids, offsets = tokenizer.encode(["heart sizes", "heart heart heart heart"])
    assert ids.tolist() == [2, 4, 5, 6, 2, 4, 4, 4] and offsets.tolist() == [0, 4, 8]
    assert tokenizer.marks == (0, 2) and tokenizer.continuing == (6,)
    with pytest.raises(medvl.ConfigError, match=r"no token \[SEP\]"):
        _ = tokenizer.sep


def test_other_layouts_are_refused(exported):
    with pytest.raises(medvl.WeightsError, match=r"1 tensors are not of MRM's released layout, e.g. fc.bias"):
        from_released({"fc.bias": torch.zeros(1), COUNTED: torch.zeros(1, 2)})
    with pytest.raises(medvl.WeightsError, match="these lack: image, image_decoder"):
        to_released({"text": {}})
    parts = {part: dict(module.state_dict()) for part, module in exported[1].items()}
    with pytest.raises(medvl.WeightsError, match=r"no place for 'net.reg_token' of part 'image'"):
        to_released(parts | {"image": {"net.reg_token": torch.zeros(1)}})
    del parts["vocabulary_head"]["table"]
    with pytest.raises(medvl.WeightsError, match="tied: false"):
        to_released(parts)
    with pytest.raises(SystemExit):
        main(["read"])
