"""Grad-CAM: the cells of an image that speak for a finding (Selvaraju et al., 2017, section 3)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from medvl.models.cells import Cells
from medvl.registry import needs_package

PACKAGE = "captum"


def grad_cam(cells: Cells, logits: Callable[[Tensor], Tensor], images: Tensor, findings: Tensor) -> Tensor:
    """One map a case: each channel of the cells weighs as much as the logit rises with its mean; what is below 0 is 0.

    Of a vision transformer the cells are its patches in front of the last block's attention, and of a hierarchical one
    its last stage, as of a CNN.

    Args:
        cells: of the image encoder that `logits` goes through, in evaluation mode.
        logits: images (B, 1, H, W) -> (B, K).
        images: (B, 1, H, W).
        findings: (B,) int64, whose logit each case's map is of.

    Returns:
        (B, h, w) float32, at least 0.

    Raises:
        PackageMissing: captum is not installed.
    """
    needs_package(PACKAGE, "Grad-CAM")
    from captum.attr import LayerGradCam

    with cells.tapped() as tap:
        found = LayerGradCam(logits, tap).attribute(images, target=findings, relu_attributions=True)
    return found[:, 0].detach().float()
