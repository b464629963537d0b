"""What the weights that a stage starts from did not cover is told when it begins, and kept."""

import json

import torch
from safetensors.torch import save_file

from medvl.models.timm_encoder import TimmEncoder
from tests import small


def lacking(folder, name):
    """Weights of the image encoder without that tensor."""
    state = TimmEncoder(32, model="test_resnet").state_dict()
    del state[f"net.{name}"]
    save_file(state, folder / "image.safetensors")
    return str(folder / "image.safetensors")


def vectors(folder):
    path = folder / "vectors.vec"
    path.write_text("2 8\n" + "\n".join(f"{word} {' '.join(['0.5'] * 8)}" for word in ("of", "pain")) + "\n")
    return str(path)


def notes_of(outcome):
    return json.loads((outcome.folder / "manifest.json").read_text())["notes"]


def test_tensors_and_words_that_start_at_random(tmp_path, cache, monkeypatch, capsys):
    monkeypatch.setenv("MEDVL_CACHE", str(cache))
    torch.manual_seed(0)
    weights = lacking(tmp_path, "layer4.0.bn2.weight")
    image = {"name": "timm", "model": "test_resnet", "weights": weights, "expected": 0.9}
    text = {"name": "gru", "vectors": vectors(tmp_path), "hidden": [8], "vocab_size": 500}
    model = {"image": image, "text": text, "fusion": {"name": "concat"}}
    path = small.write(tmp_path, small.experiment(only=small.FINETUNE | {"model": model}))
    (outcome,) = small.run(path).values()
    (tensors,) = [note for note in notes_of(outcome) if "layer4.0.bn2.weight" in note]
    (words,) = [note for note in notes_of(outcome) if "vectors.vec" in note]
    assert "1 missing" in tensors and tensors.endswith("; not loaded: layer4.0.bn2.weight")
    assert "words have no vector" in words
    printed = capsys.readouterr().out
    assert f"note: only: {tensors}" in printed and f"note: only: {words}" in printed

    start = f"only.image={{name: timm, model: test_resnet, init: {weights}}}"
    (outcome,) = small.run(path, start).values()
    assert any(note.endswith("; not loaded: net.layer4.0.bn2.weight") for note in notes_of(outcome))
