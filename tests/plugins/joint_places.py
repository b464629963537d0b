"""Whether a fusion's `places` point at what it puts into its joint sequence."""

from __future__ import annotations

import torch

from medvl.models.base import Model


def check_places(model: Model, pool=lambda tokens: tokens) -> None:
    """At each place of a text alone stands the embedding of that cell, or of that column.

    Args:
        model: with a fusion, in evaluation mode.
        pool: what the fusion does to the image's tokens (1, N, D) before it projects them.
    """
    assert model.text is not None and model.fusion is not None and model.image is not None
    given: dict[str, torch.Tensor] = {}
    whole = model.text.joint

    def joint(embeddings, *rest):
        given["joined"] = embeddings
        return whole(embeddings, *rest)

    model.text.joint = joint
    tokens = torch.randn(1, model.image.tokens, model.image.tokens_width)
    tokenizer = model.text.tokenizer
    ids = torch.tensor([[tokenizer.cls, 6, 7, 8, 9, tokenizer.sep]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        model.fusion(model, {"image.tokens": tokens, "text.ids": ids, "text.mask": mask})
        places = model.fusion.places(model, ids.shape[1])
        cells = model.fusion.project(pool(tokens))
        words = model.text.embed(ids)
    assert places is not None and places.grid[0] * places.grid[1] == len(places.image) == cells.shape[1]
    torch.testing.assert_close(given["joined"][:, places.image], cells)
    read = places.text >= 0
    torch.testing.assert_close(given["joined"][:, places.text[read]], words[:, read])
    assert len(places.text) == 6 and read[:5].all()
    del model.text.joint
