"""Both stages, end to end: what they leave, and what a second run makes of it."""

import json

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file

from medvl.evaluate.bootstrap import percentile_interval
from medvl.evaluate.draws import digest
from medvl.runs.draws import read_draws
from medvl.runs.metrics_log import read_metrics
from medvl.runs.results import read_results
from tests import small


@pytest.fixture(scope="module")
def again(finished, cache):
    """The same experiment, run a second time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDVL_CACHE", str(cache))
        return small.run(finished.file)


def test_each_stage_leaves_everything(finished):
    pretrain, finetune = finished.pretrain, finished.finetune
    common = {"config.yaml", "manifest.json", "metrics.csv", "last.ckpt", "exports", "figures"}
    assert common <= {path.name for path in pretrain.iterdir()}
    of_evaluation = {
        "best.ckpt",
        "results.json",
        "predictions",
        "draws",
        "results-multilabel-test.md",
        "tokenizer.json",
    }
    assert common | of_evaluation <= {path.name for path in finetune.iterdir()}
    for picture in ("curves.png", "auroc-multilabel-test.png"):
        assert (finetune / "figures" / picture).read_bytes()[:4] == b"\x89PNG"
    assert not list(finished.root.rglob(".*.tmp"))


def test_draws_are_kept_of_the_very_cases_that_were_predicted(finished):
    (kept,), (stored,) = read_draws(finished.finetune), read_results(finished.finetune)
    for name, interval in stored.result.intervals.items():
        assert percentile_interval(kept.values[name]) == pytest.approx(interval, abs=1e-6)
        assert kept.points[name] == stored.result.metrics[name]
    cases = pq.read_table(finished.finetune / "predictions/test.parquet")["case"].to_pylist()
    assert (kept.drawn["cases"], kept.drawn["images"]) == (len(cases), digest(cases))


def test_config_is_resolved_and_resolves_to_itself(finished):
    values = yaml.safe_load((finished.finetune / "config.yaml").read_text())
    stage = values["stages"]["finetune"]
    assert stage["budget"]["accumulate"] == 1 and stage["optim"]["betas"] == [0.9, 0.999]  # defaults are written out
    assert list(values["stages"]) == ["finetune"]


def test_manifest(finished):
    folder = finished.finetune
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete" and manifest["ended"] >= manifest["started"]
    assert folder.name == f"finetune-{manifest['config']}"
    assert manifest["parents"] == {"pretrain": finished.pretrain.name}
    assert manifest["coverage"] == {"pretrain.image": 1.0}
    assert manifest["seconds"] > 0 and manifest["samples_per_second"] > 0
    rows = pq.read_table(folder / "predictions/test.parquet").num_rows
    assert manifest["splits"]["test"] == rows and manifest["splits"]["learning"] > manifest["splits"]["val"] > 0
    assert 0 < manifest["prevalence"]["Support Devices"] < 1


def test_metrics_are_logged_by_step(finished):
    records = read_metrics(finished.finetune / "metrics.csv")
    steps = {
        name: [r.step for r in records if r.metric == name] for name in ("train/loss", "val/loss", "val/auroc_macro")
    }
    assert steps == {name: [2, 4, 6] for name in steps}
    assert [r.step for r in read_metrics(finished.pretrain / "metrics.csv")][-1] == 5


def test_predictions_hold_no_identifiers(finished):
    table = pq.read_table(finished.finetune / "predictions/test.parquet")
    assert len(set(table["case"].to_pylist())) == table.num_rows
    assert all(len(value) == 16 for name in ("case", "patient") for value in table[name].to_pylist())
    assert {"label.Cardiomegaly", "logit.Cardiomegaly"} <= set(table.column_names)
    content = (finished.finetune / "predictions/test.parquet").read_bytes()
    assert b"phantom/" not in content


def test_a_parent_is_where_the_child_began(finished):
    """The child's encoder, before its first step, is what the parent exported: with a rate of 0 it still is."""
    exported = load_file(finished.pretrain / "exports/image.safetensors")
    last = small.checkpoint(finished.pretrain)["trainable"]
    queries = {
        name.removeprefix("model.image."): value for name, value in last.items() if name.startswith("model.image.")
    }
    assert small.same(exported, queries)
    outcomes = small.run(finished.file, "finetune.optim.lr=0", "finetune.optim.weight_decay=0")
    began = load_file(outcomes["finetune"].folder / "exports/image.safetensors")
    statistics = ("running_mean", "running_var", "num_batches_tracked")  # these move with every batch seen
    weights = {name for name in exported if not name.endswith(statistics)}
    assert len(weights) > 30 and all(torch.equal(exported[name], began[name]) for name in weights)
    assert outcomes["pretrain"].reused


def test_exports_load_whole_into_the_same_encoder(finished):
    from medvl.models.timm_encoder import TimmEncoder
    from medvl.models.weights import load_weights, read_weights

    state = read_weights(finished.finetune / "exports/image.safetensors")
    coverage = load_weights(TimmEncoder(32, model="test_resnet", weights="none"), state, source="export", expected=1.0)
    assert not coverage.missing and not coverage.unexpected


def test_exports_are_of_the_selected_step(finished):
    folder = finished.finetune
    best = small.checkpoint(folder, "best.ckpt")
    values = {r.step: r.value for r in read_metrics(folder / "metrics.csv") if r.metric == "val/loss"}
    assert best["step"] == min(values, key=values.get)
    head = load_file(folder / "exports/head.safetensors")
    assert all(torch.equal(value, best["trainable"][f"objective.head.{name}"]) for name, value in head.items())


def test_a_second_run_reuses_both_stages_and_shows_the_same_tables(finished, again):
    assert [outcome.reused for outcome in again.values()] == [True, True]
    (table,) = again["finetune"].tables
    written = (finished.finetune / "results-multilabel-test.md").read_text()
    assert table.markdown() == written


def test_another_fusion_reuses_the_pretraining(finished):
    outcomes = small.run(finished.file, "finetune.fusion=concat")
    assert outcomes["pretrain"].reused and not outcomes["finetune"].reused


def test_evaluating_the_split_that_is_learnt_from(tmp_path):
    """Of the split that a stage learns from, the cases it learns from; `train` is never another split's."""
    stage = small.PLAIN_STAGE | {"budget": {"steps": 1, "batch_size": 4}, "stop": None}
    stage |= {"evaluate": [{"name": "multilabel", "split": "train", "replicates": 0}] * 2}
    stage |= {"data": stage["data"] | {"fraction": 0.5}}
    folder = small.run(small.write(tmp_path, small.experiment(only=stage)))["only"].folder
    counts = json.loads((folder / "manifest.json").read_text())["splits"]
    assert counts["learning"] == counts["train"] == pq.read_table(folder / "predictions/train.parquet").num_rows
    assert (folder / "results-multilabel-train-2.md").is_file()

    folder = small.run(tmp_path / "small.yaml", "only.data.split=val")["only"].folder
    counts = json.loads((folder / "manifest.json").read_text())["splits"]
    assert counts["learning"] == counts["val"] < counts["train"]
    assert pq.read_table(folder / "predictions/train.parquet").num_rows == counts["train"]


def test_a_scaled_rate_of_a_slot_that_nothing_asks_for_is_no_matter(tmp_path, cache):
    path = small.write(tmp_path)
    outcomes = small.run(path, "finetune.image.lr_scale=4", "finetune.fusion=text_only", "finetune.budget.steps=2")
    assert outcomes["finetune"].folder.is_dir()
