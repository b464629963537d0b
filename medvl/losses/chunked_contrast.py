"""Contrastive losses whose memory does not grow with the square of the batch.

The plain formulas hold a matrix of all similarities, and autograd more of that size. Here a process scores its own
cases (rows) against those of all processes (columns, from `medvl.gather_with_gradient`), some rows at a time, and takes
each part's gradient before it drops the part. Values and gradients are the plain formulas', and so is the number of
matrix products in a direction (CLIP's two directions, which may share a plain matrix, take one each); memory is `chunk`
times the columns. On a CPU that is also faster for thousands of cases, because a part stays in the cache.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from medvl.errors import ConfigError
from medvl.losses.info_nce import full_precision

CHUNK = 512  # rows at a time: against 32,768 columns, 64 MB


def chunked_info_nce(
    rows: Tensor, columns: Tensor, scale: Tensor | float, *, offset: int = 0, chunk: int = CHUNK
) -> Tensor:
    """Cross entropy of finding each row's own column among all: one direction of CLIP (Radford 2021, figure 3).

    Args:
        rows: (B, D) of this process.
        columns: (M, D) of all processes; row i belongs to column offset + i.
        scale: what similarities are multiplied by, one over the temperature; may be a learned () tensor.
        offset: where this process's cases begin among the columns: rank times B.
        chunk: rows scored at once.

    Returns:
        () mean over rows, float32.

    Raises:
        ConfigError: `chunk` is below 1, or a row has no column.
    """
    return _mean_cross_entropy(rows, columns, _own(rows, columns, offset), None, scale, chunk)


def chunked_clip(
    image: Tensor,
    text: Tensor,
    images: Tensor,
    texts: Tensor,
    scale: Tensor | float,
    *,
    offset: int = 0,
    image_share: float = 0.5,
    chunk: int = CHUNK,
) -> Tensor:
    """CLIP's symmetric loss (Radford 2021, figure 3): the mean of both directions.

    Args:
        image, text: (B, D) of this process.
        images, texts: (M, D) of all processes; with a single one `image` and `text` again.
        image_share: share of image-to-text, in [0, 1]; half makes a mean of it.
        scale, offset, chunk: as in `chunked_info_nce`, which says what is raised.

    Returns:
        () mean over rows, float32.
    """
    find_text = chunked_info_nce(image, texts, scale, offset=offset, chunk=chunk)
    find_image = chunked_info_nce(text, images, scale, offset=offset, chunk=chunk)
    return image_share * find_text + (1 - image_share) * find_image


def chunked_nt_xent(
    one: Tensor,
    two: Tensor,
    ones: Tensor,
    twos: Tensor,
    scale: Tensor | float,
    *,
    offset: int = 0,
    chunk: int = CHUNK,
) -> Tensor:
    """NT-Xent (SimCLR, Chen 2020, equation 1): a view finds the other view of its case among all views but itself.

    Args:
        one, two: (B, D) the two views of this process's cases.
        ones, twos: (M, D) those of all processes; with a single one `one` and `two` again.
        scale, offset, chunk: as in `chunked_info_nce`, which says what is raised.

    Returns:
        () mean over the 2 B views, float32.
    """
    own, other = pairs_of_views(one, ones, offset)
    return _mean_cross_entropy(torch.cat([one, two]), torch.cat([ones, twos]), other, own, scale, chunk)


def pairs_of_views(one: Tensor, ones: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Of the 2 B views of a process among the 2 M of all, first views first: (2 B,) its own column, its partner's."""
    first = _own(one, ones, offset)  # (B,)
    second = first + len(ones)
    return torch.cat([first, second]), torch.cat([second, first])


def check_chunk(chunk: int | None) -> None:
    """Refuse a part of no rows.

    Raises:
        ConfigError: it is below 1.
    """
    if chunk is not None and chunk < 1:
        raise ConfigError(f"chunk must be at least 1, not {chunk}")


def _own(rows: Tensor, columns: Tensor, offset: int) -> Tensor:
    """(B,) the column of each row."""
    if not 0 <= offset <= len(columns) - len(rows):
        raise ConfigError(f"{len(rows)} rows from column {offset} on do not lie within {len(columns)} columns")
    return torch.arange(offset, offset + len(rows), device=rows.device)


def _mean_cross_entropy(
    rows: Tensor, columns: Tensor, positive: Tensor, left_out: Tensor | None, scale: Tensor | float, chunk: int
) -> Tensor:
    check_chunk(chunk)
    factor = torch.as_tensor(scale, device=rows.device).float()
    with full_precision(rows.device):  # see `InfoNCE`
        return _CrossEntropy.apply(rows.float(), columns.float(), factor, positive, left_out, chunk) / len(rows)


class _CrossEntropy(torch.autograd.Function):
    """Sum over rows of logsumexp(logits) - logits[positive], of logits = scale * rows @ columns.T.

    The loss is one number, so its gradients are known but for a factor as soon as it is: with P the softmax less 1 at
    the positive, scale * P @ columns and scale * P.T @ rows, and for the scale the sum of rows * (P @ columns).
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, columns: Tensor, scale: Tensor, positive: Tensor, left_out: Tensor | None, chunk: int
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        total = rows.new_zeros(())
        pulled = torch.empty_like(rows) if wanted else None  # P @ columns
        to_columns = torch.zeros_like(columns) if wanted else None
        for start in range(0, len(rows), chunk):
            part = slice(start, start + chunk)
            logits = (rows[part] * scale) @ columns.T  # (chunk, M)
            if left_out is not None:
                logits.scatter_(1, left_out[part, None], float("-inf"))
            norm = logits.logsumexp(1, keepdim=True)  # (chunk, 1)
            total += (norm - logits.gather(1, positive[part, None])).sum()
            if pulled is not None and to_columns is not None:
                softmax = logits.sub_(norm).exp_()
                softmax.scatter_add_(1, positive[part, None], -torch.ones_like(norm))
                torch.mm(softmax, columns, out=pulled[part])
                to_columns.addmm_(softmax.T, rows[part])
        if pulled is not None and to_columns is not None:
            ctx.save_for_backward(pulled * scale, to_columns * scale, (pulled * rows).sum())
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_rows, to_columns, to_scale = ctx.saved_tensors
        return gradient * to_rows, gradient * to_columns, gradient * to_scale, None, None, None
