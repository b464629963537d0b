"""Radiographs are gray: first convolutions of colour images made for one channel, and back."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor


def one_channel(convolution: Tensor) -> Tensor:
    """(O, 3, h, w) weights that see colours -> (O, 1, h, w), which make the same of gray; others stay."""
    return convolution.sum(1, keepdim=True) if convolution.shape[1] == 3 else convolution


def three_channels(convolution: Tensor) -> Tensor:
    """(O, 1, h, w) weights -> (O, 3, h, w), a third for every colour; others stay."""
    return convolution.repeat(1, 3, 1, 1) / 3 if convolution.shape[1] == 1 else convolution


def to_one_channel(state: dict[str, Tensor], convolutions: Collection[str]) -> dict[str, Tensor]:
    """Sum three-channel weights into one channel.

    Exact for gray repeated three times, because a convolution is linear in its input.

    Args:
        state: tensors by name.
        convolutions: names of the modules that see the image, e.g. `conv1`; their (O, 3, h, w) become (O, 1, h, w).
    """
    names = {f"{convolution}.weight" for convolution in convolutions}
    return {
        name: one_channel(tensor) if name in names and tensor.ndim == 4 else tensor for name, tensor in state.items()
    }


def to_three_channels(state: dict[str, Tensor], convolutions: Collection[str]) -> dict[str, Tensor]:
    """Undo `to_one_channel`, for programs that feed gray repeated three times: each channel gets a third.

    Args:
        state: tensors by name, e.g. `encoder.net.state_dict()`.
        convolutions: as above, e.g. `encoder.first_convolutions`.
    """
    names = {f"{convolution}.weight" for convolution in convolutions}
    return {name: three_channels(tensor) if name in names else tensor for name, tensor in state.items()}
