"""Retrieval at the end of a stage whose objective reads no labels: the evaluator alone does."""

import json

from tests import small

STAGE = {
    "data": small.PHANTOM | {"text": "findings"},
    "views": {"image": {"name": "plain", "size": 32}},
    "model": {
        "image": {"name": "timm", "model": "test_resnet", "weights": "none"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32},
    },
    "objective": {"name": "clip", "dim": 16},
    "optim": {"name": "adamw", "lr": 0.001},
    "budget": {"steps": 2, "batch_size": 8},
    "evaluate": [{"name": "retrieval", "split": "train", "pool": 10, "cutoffs": [1, 5], "replicates": 10}],
}


def test_clip_is_measured_by_retrieval(tmp_path):
    path = small.write(tmp_path, small.experiment(align=STAGE) | {"plugins": ["slip"]})
    folder = small.run(path)["align"].folder
    (result,) = json.loads((folder / "results.json").read_text())
    assert result["counts"]["pools"] >= 2
    for way in ("image_to_report", "report_to_image"):
        assert 0 < result["metrics"][f"{way}_mrr"] <= 1
        assert result["metrics"][f"{way}_hit@1"] <= result["metrics"][f"{way}_hit@5"]
