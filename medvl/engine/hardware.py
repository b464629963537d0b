"""The device, precision and processes of a run, through Lightning Fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medvl.errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def settle(device: str, precision: str) -> tuple[str, str]:
    """What `auto` stands for here: CUDA where there is one, with bf16 there and fp32 elsewhere.

    Returns:
        (device, precision), as `cuda` or `cpu`, `bf16` or `32`.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "auto":
        precision = "bf16" if device == "cuda" else "32"
    return device, precision


def make_fabric(device: str, devices: int, precision: str) -> Fabric:
    """Fabric for a device, a number of processes and a precision, none of them `auto`.

    Raises:
        ConfigError: a device that this machine does not have.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for, and torch finds no CUDA device. take device: auto or cpu")
    if device == "cuda" and devices > torch.cuda.device_count():
        raise ConfigError(f"devices: {devices} were asked for, and this machine has {torch.cuda.device_count()}")
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    # A fusion or objective may leave a part of an encoder unused (BERT's pooler, say). Buffers are not broadcast at
    # every forward pass: queues are equal on all processes already, and running statistics matter only when
    # something is evaluated, before which `share_buffers` makes them the first process's.
    strategy = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False) if devices > 1 else "auto"
    return Fabric(
        accelerator=device,
        devices=devices,
        strategy=strategy,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
    )
