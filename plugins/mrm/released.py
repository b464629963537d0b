"""The released checkpoint (RL4M/MRM-pytorch, `MRM.pth`) as weights of our slots and heads, and back.

    python -m medvl_mrm.released read MRM.pth OUT [mimic_wordpiece.json]
    python -m medvl_mrm.released write EXPORTS MRM.pth

`read` writes a file for every part, which a slot starts from, and with the authors' tokenizer file a `tokenizer.json`
that belongs beside them: `image: {..., init: OUT/image.safetensors}`, `text: {..., weights: OUT/text.safetensors}`.
`write` takes a folder of such files, for instance the exports of a stage, and writes one that the authors' code reads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import medvl

BERT = "bert_encoder.model.bert."
WORDS = "bert_encoder.model.cls.predictions."
# (part, name there, name here); the first that fits counts
NAMES = medvl.ReleasedNames(
    "MRM",
    (
        ("image", "cls_token", "net.cls_token"),
        ("image", "pos_embed", "net.pos_embed"),
        ("image", "patch_embed.", "net.patch_embed."),
        ("image", "blocks.", "net.blocks."),
        ("image", "norm.", "net.norm."),
        ("image_decoder", "mask_token", "mask_token"),
        ("image_decoder", "decoder_pos_embed", "positions"),
        ("image_decoder", "decoder_embed.", "embed."),
        ("image_decoder", "decoder_blocks.", "blocks."),
        ("image_decoder", "decoder_norm.", "norm."),
        ("image_decoder", "decoder_pred.", "predict."),
        ("report_projection", "bert_mlp.", ""),
        ("text", f"{BERT}embeddings.", "transformer.embeddings."),
        ("text", f"{BERT}encoder.", "transformer.encoder."),
        ("text", f"{BERT}pooler.", "transformer.pooler."),
        ("vocabulary_head", f"{WORDS}transform.dense.", "dense."),
        ("vocabulary_head", f"{WORDS}transform.LayerNorm.", "norm."),
        ("vocabulary_head", f"{WORDS}bias", "bias"),
        ("vocabulary_head", f"{WORDS}decoder.weight", "table"),
    ),
    give="the pre-training checkpoint, as its authors saved it",
    take="a vision transformer with one class token, preset: released",
)
COPIES = {f"{WORDS}decoder.bias": f"{WORDS}bias"}  # a parameter that the file holds twice: copy -> original
COUNTED = f"{BERT}embeddings.position_ids"  # 0, 1, 2, ...: no weight
LENGTHS = f"{BERT}embeddings.position_embeddings.weight"
STEM, POSITIONS = "patch_embed.proj.weight", "decoder_pos_embed"
PARTS = NAMES.parts


def from_released(state: Mapping[str, Tensor]) -> medvl.Parts:
    """The parts of a released checkpoint: those of `PARTS`, tensors by our names.

    The three colours of the patch embedding are summed: radiographs are gray.

    Raises:
        WeightsError: names that are not of this layout.
    """
    parts: medvl.Parts = {}
    places = NAMES.ours(name for name in state if name not in COPIES and name != COUNTED)
    for name, (part, own) in places.items():
        parts.setdefault(part, {})[own] = _in(name, state[name])
    return parts


def to_released(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """A released checkpoint of our parts; the patch embedding's one channel is dealt out to three colours.

    Raises:
        WeightsError: a part or a tensor that this layout has no name for, or a part is missing.
    """
    missing = [part for part in PARTS if part not in parts]
    if missing:
        raise medvl.WeightsError(f"a released checkpoint has all parts, and these lack: {', '.join(missing)}")
    state: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        for own, tensor in tensors.items():
            name = NAMES.theirs(part, own)
            state[name] = _out(name, tensor)
    if f"{WORDS}decoder.weight" not in state:
        raise medvl.WeightsError(
            "a released checkpoint scores words with a table of its own. do: train with tied: false"
        )
    state[COUNTED] = torch.arange(len(state[LENGTHS]))[None]
    return state | {copy: state[original] for copy, original in COPIES.items()}


def tokenizer_of(content: str) -> str:
    """The authors' tokenizer file (JSON) as ours: it puts [CLS] in front of a text, which their code does beside it."""
    known = json.loads(content)
    number = known["model"]["vocab"]["[CLS]"]
    known["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [number], "tokens": ["[CLS]"]}},
    }
    return json.dumps(known, ensure_ascii=False, indent=1)


def _in(name: str, tensor: Tensor) -> Tensor:
    if name == STEM:
        return medvl.one_channel(tensor)
    return tensor[0, 1:] if name == POSITIONS else tensor  # the row of [CLS] is 0


def _out(name: str, tensor: Tensor) -> Tensor:
    if name == STEM:
        return medvl.three_channels(tensor)
    return torch.nn.functional.pad(tensor, (0, 0, 1, 0))[None] if name == POSITIONS else tensor


def read(source: Path, folder: Path, tokenizer: Path | None = None) -> None:
    """`MRM.pth` -> a `.safetensors` file a part, and `tokenizer.json`."""
    medvl.save_parts(from_released(medvl.read_weights(source)), folder)
    if tokenizer is not None:
        (folder / "tokenizer.json").write_text(tokenizer_of(tokenizer.read_text(encoding="utf-8")), encoding="utf-8")


def write(folder: Path, target: Path) -> None:
    """Files of parts, or exports of a stage -> `MRM.pth`."""
    torch.save({"model": to_released(medvl.load_parts(folder, PARTS))}, target)


def main(arguments: list[str]) -> None:
    """The command line of this file."""
    verb, places = arguments[0] if arguments else "", [Path(place) for place in arguments[1:]]
    if verb == "read" and len(places) in (2, 3):
        read(*places)
    elif verb == "write" and len(places) == 2:
        write(*places)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (medvl.WeightsError, OSError) as error:
        sys.exit(f"error: {error}")
