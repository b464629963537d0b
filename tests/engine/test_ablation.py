"""A stage without its text, its image, or with those of others: what is read, what stays, and what is told of it."""

import numpy as np
import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.data.cases import TokenArrays
from medvl.data.stand_ins import OneRadiograph, OtherTokens, mean_radiograph, next_in_a_circle
from medvl.engine.ablation import ablate
from medvl.engine.load import TrainedStage
from medvl.errors import DataError
from medvl.runs.ablation import INTACT, differences, metrics_of
from medvl.runs.results import read_results
from tests.engine.conftest import small_machine

ALL = [INTACT, "text removed", "text shuffled", "image removed", "image shuffled"]


class Pixels:
    def __init__(self, values):
        self.values, self.side = np.asarray(values, np.uint8), values.shape[-1]

    def read(self, rows, out):
        out[:] = self.values[rows]
        return out


def test_other_texts_stand_in_the_place_of_each():
    tokens = TokenArrays(np.array([2, 7, 3, 2, 8, 9, 3], np.int32), np.array([0, 3, 7]), pad=1)
    others = OtherTokens(tokens, np.array([1, 0]))
    assert others.lengths(np.array([0, 1])).tolist() == [4, 3]
    ids, mask = others.batch(np.array([0, 1]))
    assert ids.tolist() == [[2, 8, 9, 3], [2, 7, 3, 1]] and mask.sum(1).tolist() == [4, 3]


def test_the_mean_radiograph_is_every_row_s():
    values = np.random.default_rng(0).integers(0, 256, (10, 4, 4))
    mean = mean_radiograph(Pixels(values), np.array([7, 1, 1, 4]))
    np.testing.assert_array_equal(mean.pixels, np.rint(values[[1, 4, 7]].mean(0)))
    out = OneRadiograph(mean.pixels).read(np.array([0, 9]), np.empty((2, 4, 4), np.uint8))
    np.testing.assert_array_equal(out[0], out[1])


def test_everyone_gets_another_s_and_everyone_s_is_given_once():
    members = np.array([3, 5, 8, 13, 21])
    taken = next_in_a_circle(members, 0)
    assert sorted(taken) == sorted(taken.values()) == members.tolist()
    assert all(one != other for one, other in taken.items())
    assert next_in_a_circle(members, 0) == taken != next_in_a_circle(members, 1)
    assert next_in_a_circle(members[:1], 0) == {3: 3}


@pytest.fixture(scope="module")
def ablated(finished, cache):
    with small_machine(cache):
        return ablate(TrainedStage.load(finished.finetune))


def test_on_intact_inputs_it_is_the_stage_s_own_result(finished, ablated):
    assert list(ablated) == ALL
    own = read_results(finished.finetune)[0].result
    for name, value in own.metrics.items():
        assert ablated[INTACT].results[0].metrics[name] == pytest.approx(value, abs=1e-6, nan_ok=True)
    assert ablated[INTACT].results[0].intervals.keys() == own.intervals.keys()


def test_each_change_is_judged_on_the_same_draws(ablated):
    intact = ablated[INTACT].draws
    metrics = metrics_of(intact, None)
    assert metrics == [name for name in intact[0].points if "/" not in name]
    for name in ALL[1:]:
        assert not ablated[name].draws[0].drawn_apart(intact[0])
        comparison, left_out = differences(intact, ablated[name].draws, metrics)
        assert not left_out and list(comparison.metrics) == metrics
        each = comparison.metrics["auroc_macro"]
        assert each.difference.difference == pytest.approx(each.a - each.b)


def test_without_text_and_image_every_case_would_be_alike(finished, monkeypatch):
    """The image's and the text's stand-ins are the same for every case."""
    seen = {}
    trained = TrainedStage.load(finished.finetune)
    forward = trained.trainable.predict

    def predict(batch, wanted=None):
        seen.setdefault("ids", []).append(batch["text.ids"])
        seen.setdefault("images", []).append(batch["image"])
        return forward(batch, wanted)

    monkeypatch.setattr(trained.trainable, "predict", predict)
    ablate(trained)
    per = len(seen["ids"]) // len(ALL)
    without_text, without_image = seen["ids"][per], seen["images"][3 * per]
    assert without_text.shape[1] == 2 and (without_text == without_text[:1]).all()
    assert (without_image == without_image[:1]).all() and not (seen["images"][0] == seen["images"][0][:1]).all()
    own, others = (
        {row.numpy().tobytes() for part in seen["images"][at : at + per] for row in part} for at in (0, 4 * per)
    )
    assert own == others  # everybody's, differently dealt


def test_an_unknown_metric_and_a_stage_that_draws_nothing(finished, ablated):
    with pytest.raises(DataError, match=r"unknown metric 'auroc_macr'. did you mean 'auroc_macro'"):
        metrics_of(ablated[INTACT].draws, "auroc_macr")
    assert all(name.startswith("auroc") for name in metrics_of(ablated[INTACT].draws, "auroc"))
    with pytest.raises(DataError, match="has no evaluator that draws intervals"):
        ablate(TrainedStage.load(finished.pretrain, predicts=False))


def test_what_cannot_be_compared_is_left_out_and_told(ablated):
    from dataclasses import replace

    intact = ablated[INTACT].draws
    other = [replace(kept, judged={**kept.judged, "threshold": 0.1}) for kept in ablated["text removed"].draws]
    comparison, left_out = differences(intact, other, ["auroc_macro"])
    assert comparison.metrics == {} and "threshold (0.1 and 0.5)" in left_out[0]


def test_the_verb_writes_one_table_and_one_picture(finished, tmp_path):
    done = CliRunner().invoke(app, ["ablate", str(finished.finetune), "--metric", "f1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {"ablation.md", "ablation.csv", "ablation.png"}
    head, *lines = (tmp_path / "ablation.csv").read_text().splitlines()
    assert head == ",".join(["metric", *ALL])
    assert lines[0].startswith("f1_macro,") and any(line.startswith("f1/") for line in lines)
    assert "the same for all inputs" in (tmp_path / "ablation.md").read_text()
    assert (tmp_path / "ablation.md").read_text().splitlines()[0].endswith("contribute to stage finetune")
