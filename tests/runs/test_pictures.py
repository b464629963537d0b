"""The pictures show what was logged."""

import numpy as np
import pytest
from PIL import Image

from medvl import Cases, DataSpec
from medvl.evaluate.multilabel import Multilabel
from medvl.runs.curves import plot_curves, write_figure
from medvl.runs.figures import plot_findings
from medvl.runs.metrics_log import Record


def log():
    records = []
    for step in range(1, 101):
        records += [Record(step, step / 50, "train/loss", 1 / step), Record(step, step / 50, "train/lr", 1e-4)]
        if step % 20 == 0:
            values = {"loss": 0.4, "auroc_macro": 0.6 + step / 1000, "f1_micro": 0.3, "auroc/Edema": 0.9}
            records += [Record(step, step / 50, f"val/{name}", value) for name, value in values.items()]
    return records


def panels(figure):
    return {axes.get_title("left"): axes for axes in figure.axes if axes.get_visible()}


def test_one_panel_a_quantity_losses_first():
    shown = panels(plot_curves(log(), title="finetune", best_step=80))
    assert list(shown) == ["loss", "AUROC macro", "F1 micro"]
    assert [text.get_text() for text in shown["loss"].get_legend().get_texts()] == ["train", "val"]


def test_lines_are_the_logged_values_and_the_best_is_marked():
    axes = panels(plot_curves(log(), best_step=80))["AUROC macro"]
    curve = axes.get_lines()[0]
    np.testing.assert_array_equal(curve.get_xdata(), [20, 40, 60, 80, 100])
    np.testing.assert_allclose(curve.get_ydata(), [0.62, 0.64, 0.66, 0.68, 0.7])
    assert axes.get_title("right") == "0.680 at step 80"
    assert panels(plot_curves(log()))["AUROC macro"].get_title("right") == ""


def test_a_long_noisy_line_is_smoothed_without_moving_its_mean():
    random = np.random.default_rng(0)
    records = [Record(step, 0.0, "train/loss", float(value)) for step, value in enumerate(random.normal(5, 1, 2000))]
    raw, smooth = panels(plot_curves(records))["loss"].get_lines()
    assert np.std(smooth.get_ydata()) < 0.3 * np.std(raw.get_ydata())
    assert np.mean(smooth.get_ydata()) == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("records", [[], [Record(1, 0.0, "val/auroc_macro", float("nan"))]], ids=["none", "undefined"])
def test_drawn_even_when_there_is_nothing_to_see(tmp_path, records):
    assert write_figure(plot_curves(records, title="empty", best_step=1), tmp_path / "curves.png").exists()


def test_written_as_a_picture_of_readable_size(tmp_path):
    with Image.open(write_figure(plot_curves(log()), tmp_path / "curves.png")) as image:
        assert image.format == "PNG" and image.width > 1000 and len(image.convert("L").getcolors()) > 10
    assert write_figure(plot_curves(log()), tmp_path / "curves.svg").read_text().startswith("<?xml")


def test_findings_from_best_to_worst_with_intervals(tmp_path):
    random = np.random.default_rng(0)
    labels = (random.random((200, 3)) < 0.4).astype(np.float32)
    labels[:, 2] = 0
    logits = random.normal(size=(200, 3)) + labels * [0.3, 2.0, 0.0]
    names = ("weak", "strong", "absent")
    rows = np.arange(200)
    evaluate = Multilabel(DataSpec(labels=names), replicates=50)
    result = evaluate.evaluate(Cases(rows, rows, {"labels": labels}, {"logits": logits}))
    figure = plot_findings(result, names, title="test")
    (axes,) = figure.axes
    positives = labels.sum(axis=0).astype(int)
    order = [f"strong  (n={positives[1]})", f"weak  (n={positives[0]})", "absent  (n=0)"]
    assert [label.get_text() for label in axes.get_yticklabels()] == order
    interval, dot = axes.get_lines()[:2]
    assert tuple(interval.get_xdata()) == result.intervals["auroc/strong"]
    assert dot.get_xdata()[0] == result.metrics["auroc/strong"]
    assert "undefined" in [text.get_text() for text in axes.texts]
    assert write_figure(figure, tmp_path / "findings.png").exists()
