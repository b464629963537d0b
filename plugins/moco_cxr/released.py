"""Released checkpoints (stanfordmlgroup/MoCo-CXR) as weights of our slots and heads, and back.

    python -m medvl_moco_cxr.released read CHECKPOINT OUT
    python -m medvl_moco_cxr.released write EXPORTS CHECKPOINT

Checkpoints of pre-training (`state_dict`: both encoders, their heads, the queue) and of fine-tuning (`model_state`: an
encoder and its classifier), of ResNets and of DenseNets, which name their heads differently. `read` writes a file for
every part, which a slot starts from: `image: {..., init: OUT/image.safetensors}`. `write` takes a folder of such files,
for instance the exports of a stage: with a `head` it writes what the authors' tests read, else what their fine-tuning
starts from.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

import medvl

Kind = Literal["pre-training", "fine-tuning"]
Family = Literal["resnet", "densenet"]


def _names(*names: tuple[str, str, str]) -> medvl.ReleasedNames:
    return medvl.ReleasedNames(
        "MoCo-CXR",
        names,
        give="a checkpoint of a ResNet or a DenseNet as its authors' code saves it",
        take="a ResNet or a DenseNet of timm, a head without a transform, one queue",
    )


def _pretraining(head: str) -> medvl.ReleasedNames:
    return _names(
        ("projection", f"encoder_q.{head}.", ""),
        ("image", "encoder_q.", "net."),
        ("objective", f"encoder_k.{head}.", "key_head."),
        ("objective", "encoder_k.", "key_image.net."),
        ("objective", "queue_ptr", "queue.pointer"),
        ("objective", "queue", "queue.keys"),
    )


NAMES: dict[tuple[Kind, Family], medvl.ReleasedNames] = {
    ("pre-training", "resnet"): _pretraining("fc"),
    ("pre-training", "densenet"): _pretraining("classifier"),
    ("fine-tuning", "resnet"): _names(("head", "fc.", "1."), ("image", "model.", "net.")),
    ("fine-tuning", "densenet"): _names(("head", "model.classifier.", "1."), ("image", "model.", "net.")),
}
WRAPPER = "module."  # what DataParallel puts in front of every name
UNUSED = "model.last_linear."  # ImageNet's classifier, which their fine-tuned ResNets carry along and never use
IMAGENET_CLASSES = 1000
OWN_HEAD = "head."  # of the objective: the query's, which is the part `projection`
STEMS = ("conv1.weight", "features.conv0.weight")
CONVOLUTIONS = {20: "ResNet18", 53: "ResNet50", 120: "DenseNet121"}  # how many a model has -> its name there


def from_released(state: Mapping[str, Tensor]) -> medvl.Parts:
    """The parts of a released checkpoint, tensors by our names.

    Of pre-training `image`, `projection` and `objective` (all that the objective `moco` keeps: its head once more, key
    encoder, key head, queue); of fine-tuning `image` and `head`. The three colours of a first convolution are summed:
    radiographs are gray. The queue is turned: a key is a row here and a column there.

    Raises:
        WeightsError: names that are not of these layouts; no encoder.
    """
    state = {name.removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    kind: Kind = "pre-training" if any(name.startswith("encoder_q.") for name in state) else "fine-tuning"
    family: Family = "densenet" if any(".features." in name for name in state) else "resnet"
    parts: medvl.Parts = {}
    for name, (part, own) in NAMES[kind, family].ours(name for name in state if not name.startswith(UNUSED)).items():
        parts.setdefault(part, {})[own] = _in(own, state[name])
    if "image" not in parts:
        raise medvl.WeightsError(
            f"a released checkpoint of {kind} has an encoder, and these {len(state)} tensors have none"
        )
    if "objective" in parts:
        parts["objective"] |= {OWN_HEAD + name: tensor for name, tensor in parts.get("projection", {}).items()}
    return parts


def to_released(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of a released checkpoint of our parts: of fine-tuning where there is a `head`, else of pre-training.

    The one channel of a first convolution is dealt out to three colours. Their ResNets' unused classifier, which their
    strict loading wants, is 0.

    Raises:
        WeightsError: a part that is missing, or a part or a tensor that these layouts have no name for.
    """
    kind: Kind = "fine-tuning" if "head" in parts else "pre-training"
    wanted = ("image", "head") if kind == "fine-tuning" else ("image", "projection")
    missing = [part for part in wanted if part not in parts]
    if missing:
        raise medvl.WeightsError(
            f"a released checkpoint of {kind} has {' and '.join(wanted)}, and {' and '.join(missing)} is missing"
        )
    family: Family = "densenet" if any(name.startswith("net.features.") for name in parts["image"]) else "resnet"
    names, state = NAMES[kind, family], {}
    for part, tensors in parts.items():
        for own, tensor in tensors.items():
            if part != "objective" or not own.startswith(OWN_HEAD):
                state[WRAPPER + names.theirs(part, own)] = _out(own, tensor)
    width = parts["head"]["1.weight"].shape[1] if kind == "fine-tuning" else 0
    given = max(len(tensor) for tensor in parts["image"].values() if tensor.ndim == 1)  # its last normalisation's
    if kind == "fine-tuning" and width != given:
        raise medvl.WeightsError(
            f"the head reads {width} features and the image encoder gives {given}: it stands on a fusion, which their "
            "models do not have. do: take a stage of the image alone"
        )
    if (kind, family) == ("fine-tuning", "resnet"):
        state[f"{WRAPPER}{UNUSED}weight"] = torch.zeros(IMAGENET_CLASSES, width)
        state[f"{WRAPPER}{UNUSED}bias"] = torch.zeros(IMAGENET_CLASSES)
    return state


def name_of(image: Mapping[str, Tensor]) -> str:
    """What their code calls the model that these are the tensors of: ResNet18, ResNet50 or DenseNet121.

    Raises:
        WeightsError: none of those.
    """
    convolutions = sum(tensor.ndim == 4 for tensor in image.values())
    if convolutions not in CONVOLUTIONS:
        raise medvl.WeightsError(
            f"an encoder of {convolutions} convolutions is none that MoCo-CXR's code builds. do: take one of "
            f"{', '.join(CONVOLUTIONS.values()).lower()}"
        )
    return CONVOLUTIONS[convolutions]


def _in(own: str, tensor: Tensor) -> Tensor:
    if own.endswith(STEMS):
        return medvl.one_channel(tensor)
    if own == "queue.pointer":
        return tensor[0]
    return tensor.T if own == "queue.keys" else tensor


def _out(own: str, tensor: Tensor) -> Tensor:
    if own.endswith(STEMS):
        return medvl.three_channels(tensor)
    if own == "queue.pointer":
        return tensor[None]
    return tensor.T if own == "queue.keys" else tensor


def read(source: Path, folder: Path) -> None:
    """A checkpoint -> a `.safetensors` file a part."""
    medvl.save_parts(from_released(medvl.read_weights(source)), folder)


def write(folder: Path, target: Path) -> None:
    """Files of parts, or exports of a stage -> a checkpoint."""
    parts = medvl.load_parts(folder, {part for names in NAMES.values() for part in names.parts})
    if "head" in parts:
        parts.pop("objective", None)  # of the classifier: its head once more
    state = to_released(parts)
    name = name_of(parts["image"])
    if "head" in parts:
        content: dict[str, object] = {"ckpt_info": {}, "model_name": name, "model_state": state}
    else:
        content = {"epoch": 0, "arch": name.lower(), "state_dict": state}
    torch.save(content, target)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("read", "write"):
        sys.exit(__doc__)
    try:
        {"read": read, "write": write}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    except (medvl.WeightsError, OSError) as error:
        sys.exit(f"error: {error}")
