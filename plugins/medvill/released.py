"""The released checkpoint (SuperSupermoon/MedViLL, `pytorch_model.bin`) as weights of our slots, and back.

    python -m medvl_medvill.released read pytorch_model.bin OUT
    python -m medvl_medvill.released write EXPORTS pytorch_model.bin

`read` writes a file for every part, which a slot starts from: `text: {..., init: OUT/text.safetensors}`. `write` takes
a folder of such files, for instance the exports of a stage, and writes one that the authors' code reads.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import medvl

# (part, name there, name here); the first that fits counts. The CNN's children are numbered, and 2 and 3 (ReLU and
# pooling) have no weights.
NAMES = medvl.ReleasedNames(
    "MedViLL",
    (
        ("text", "enc.txt_embeddings.", "transformer.embeddings."),
        ("text", "enc.encoder.", "transformer.encoder."),
        ("text", "enc.pooler.", "transformer.pooler."),
        ("fusion", "enc.img_embeddings.img_embeddings.", "project."),
        ("image", "enc.img_encoder.model.0.", "net.conv1."),
        ("image", "enc.img_encoder.model.1.", "net.bn1."),
        ("image", "enc.img_encoder.model.4.", "net.layer1."),
        ("image", "enc.img_encoder.model.5.", "net.layer2."),
        ("image", "enc.img_encoder.model.6.", "net.layer3."),
        ("image", "enc.img_encoder.model.7.", "net.layer4."),
        ("vocabulary_head", "mlm.predictions.transform.dense.", "dense."),
        ("vocabulary_head", "mlm.predictions.transform.LayerNorm.", "norm."),
        ("vocabulary_head", "mlm.predictions.bias", "bias"),
        ("matching_head", "itm.linear.", ""),
    ),
    give="the pre-training checkpoint with a ResNet, as its authors saved it",
    take="a ResNet, preset: released",
)
# tensors that the file holds twice: copy -> original
COPIES = {
    "enc.img_embeddings.token_type_embeddings.weight": "enc.txt_embeddings.token_type_embeddings.weight",
    "enc.img_embeddings.position_embeddings.weight": "enc.txt_embeddings.position_embeddings.weight",
    "enc.img_embeddings.LayerNorm.weight": "enc.txt_embeddings.LayerNorm.weight",
    "enc.img_embeddings.LayerNorm.bias": "enc.txt_embeddings.LayerNorm.bias",
    "mlm.predictions.decoder.weight": "enc.txt_embeddings.word_embeddings.weight",
}
COUNTED = "enc.txt_embeddings.position_ids"  # 0, 1, 2, ...: no weight
STEM = "enc.img_encoder.model.0.weight"
PARTS = NAMES.parts


def from_released(state: Mapping[str, Tensor]) -> medvl.Parts:
    """The parts of a released checkpoint: those of `PARTS`, tensors by our names.

    The three colours of the first convolution are summed: radiographs are gray.

    Raises:
        WeightsError: names that are not of this layout.
    """
    parts: medvl.Parts = {}
    places = NAMES.ours(name for name in state if name not in COPIES and name != COUNTED)
    for name, (part, own) in places.items():
        parts.setdefault(part, {})[own] = medvl.one_channel(state[name]) if name == STEM else state[name]
    return parts


def to_released(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """A released checkpoint of our parts; the first convolution's one channel is dealt out to three colours.

    Raises:
        WeightsError: a part or a tensor that this layout has no name for, or the text part is missing.
    """
    state: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        for own, tensor in tensors.items():
            name = NAMES.theirs(part, own)
            state[name] = medvl.three_channels(tensor) if name == STEM else tensor
    positions = state.get("enc.txt_embeddings.position_embeddings.weight")
    if positions is None:
        raise medvl.WeightsError("a released checkpoint shares the tables of its text part, which is missing")
    state[COUNTED] = torch.arange(len(positions))[None]
    return state | {copy: state[original] for copy, original in COPIES.items()}


def read(source: Path, folder: Path) -> None:
    """`pytorch_model.bin` -> a `.safetensors` file a part."""
    medvl.save_parts(from_released(medvl.read_weights(source)), folder)


def write(folder: Path, target: Path) -> None:
    """Files of parts, or exports of a stage (`TERM.vocabulary_head` and the like) -> `pytorch_model.bin`."""
    torch.save(to_released(medvl.load_parts(folder, PARTS)), target)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("read", "write"):
        sys.exit(__doc__)
    try:
        {"read": read, "write": write}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    except (medvl.WeightsError, OSError) as error:
        sys.exit(f"error: {error}")
