"""Overlap of masks against its definitions pixel by pixel, the released rule, thresholds and intervals."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.segmentation import dice_score

from medvl import Cases, ConfigError, DataError, DataSpec
from medvl.contract import THRESHOLDS
from medvl.evaluate.overlap import OVERLAPS, overlap
from medvl.evaluate.segmentation import Segmentation
from tests.golden_fixtures import golden

NAMES = ("Effusion", "Pneumothorax")
DATA = DataSpec(masks=NAMES)


def cases(probabilities, masks, patients=None):
    """(N, K, H, W) each -> what the objective predicts of them."""
    above = np.stack([probabilities > threshold for threshold in THRESHOLDS], 2)  # (N, K, T, H, W)
    counts = {
        "intersection": (above & masks[:, :, None]).sum((3, 4)).reshape(len(masks), -1),
        "predicted": above.sum((3, 4)).reshape(len(masks), -1),
        "reference": masks.sum((2, 3)),
    }
    rows = np.arange(len(masks))
    return Cases(rows, rows if patients is None else patients, {}, counts)


def simulated(size=40, seed=0):
    random = np.random.default_rng(seed)
    masks = np.zeros((size, 2, 12, 12), bool)
    for case in np.flatnonzero(random.random(size) < 0.6):
        masks[case, 0, : random.integers(2, 10), 3 : random.integers(5, 11)] = True
    masks[::3, 1, 5:] = True
    probabilities = np.clip(0.25 + 0.5 * masks + random.normal(0, 0.2, masks.shape), 0, 1)
    probabilities[::4] *= 0.3  # some are told too faintly
    return probabilities, masks


def test_med_dice_is_the_released_codes():
    released = golden("mrm_segmentation_losses_and_dice")
    predicted, reference = (released.tensors[f"in.{kind}_maps"].numpy() == 1 for kind in ("prediction", "reference"))
    counts = [each.sum((1, 2)) for each in (predicted & reference, predicted, reference)]
    released.close(torch.tensor(overlap("med_dice", *counts).mean()), "out.mean_dice")


def test_an_empty_reference_scores_one_only_for_an_empty_prediction():
    both, predicted, reference = np.array([0, 0, 0, 4]), np.array([0, 3, 0, 8]), np.array([0, 0, 5, 4])
    assert overlap("med_dice", both, predicted, reference).tolist() == [1, 0, 0, 2 / 3]
    np.testing.assert_array_equal(overlap("dice", both, predicted, reference), [np.nan, np.nan, 0, 2 / 3])
    np.testing.assert_array_equal(overlap("iou", both, predicted, reference), [np.nan, np.nan, 0, 0.5])


def test_means_are_over_images_as_torchmetrics_has_them():
    probabilities, masks = simulated()
    result = Segmentation(DATA, replicates=0).evaluate(cases(probabilities, masks))
    for label, name in enumerate(NAMES):
        present = masks[:, label].any((1, 2))
        called, truth = (torch.from_numpy(each[present, label]) for each in (probabilities > 0.5, masks))
        each = dice_score(called[:, None].long(), truth[:, None].long(), 1, input_format="one-hot")
        assert result.metrics[f"dice/{name}"] == pytest.approx(float(each.mean()))
        union = (called | truth).sum((1, 2))
        assert result.metrics[f"iou/{name}"] == pytest.approx(float(((called & truth).sum((1, 2)) / union).mean()))
        assert result.counts[f"with/{name}"] == present.sum()
    for measure in OVERLAPS:
        mean = np.mean([result.metrics[f"{measure}/{name}"] for name in NAMES])
        assert result.metrics[f"{measure}_macro"] == pytest.approx(mean)
    assert tuple(result.metrics) == Segmentation(DATA).metrics()


def test_predicting_nothing_scores_the_share_of_empty_images_and_the_note_says_so():
    probabilities, masks = simulated()
    result = Segmentation(DATA, replicates=0).evaluate(cases(np.zeros_like(probabilities), masks))
    empty = 1 - masks.any((2, 3)).mean(0)
    assert [result.metrics[f"med_dice/{name}"] for name in NAMES] == pytest.approx(empty.tolist())
    assert result.metrics["dice_macro"] == 0
    assert f"Effusion {empty[0]:.3f}, Pneumothorax {empty[1]:.3f}" in result.notes[-1]


def test_the_threshold_is_the_one_asked_for():
    probabilities, masks = simulated()
    given = cases(probabilities, masks)
    at = Segmentation(DATA, threshold=0.15, replicates=0).evaluate(given).metrics["dice/Effusion"]
    counts = [each[:, 0].sum((1, 2)) for each in (masks & (probabilities > 0.15), probabilities > 0.15, masks)]
    assert at == pytest.approx(np.nanmean(overlap("dice", *counts)))


def test_thresholds_are_chosen_on_other_cases_where_asked():
    validation, test = simulated(seed=1), simulated(seed=2)
    chooses = Segmentation(DATA, select="dice", replicates=0)
    assert chooses.tunes and not Segmentation(DATA).tunes
    chooses.tune(cases(*validation))
    means = [
        Segmentation(DATA, threshold=threshold, replicates=0).evaluate(cases(*validation)).metrics["dice/Effusion"]
        for threshold in THRESHOLDS
    ]
    best = THRESHOLDS[int(np.argmax(means))]
    assert best != 0.5, "a choice of the default would prove nothing"
    result = chooses.evaluate(cases(*test))
    alone = Segmentation(DATA, threshold=best, replicates=0).evaluate(cases(*test))
    assert result.metrics["dice/Effusion"] == alone.metrics["dice/Effusion"]
    assert f"chosen on the validation cases: Effusion {best:g}" in result.notes[0]


def test_a_finding_that_validation_lacks_keeps_its_threshold():
    probabilities, masks = simulated()
    masks[:, 0] = False
    chooses = Segmentation(DATA, select="dice", replicates=0)
    chooses.tune(cases(probabilities, masks))
    assert THRESHOLDS[chooses.chosen[0]] == 0.5


def test_intervals_are_those_of_means_over_drawn_patients():
    probabilities, masks = simulated()
    patients = np.arange(40) // 4
    given = cases(probabilities, masks, patients)
    result = Segmentation(DATA, replicates=30, seed=4).evaluate(given)
    counts = [each[:, 0].sum((1, 2)) for each in (masks & (probabilities > 0.5), probabilities > 0.5, masks)]
    values = overlap("dice", *counts)
    means = []
    for replicate in range(30):
        drawn = np.random.default_rng([4, replicate]).integers(0, 10, 10)
        means.append(np.nanmean(np.concatenate([values[patients == patient] for patient in drawn])))
    assert result.intervals["dice/Effusion"] == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    low, high = result.intervals["med_dice_macro"]
    assert low < result.metrics["med_dice_macro"] < high
    assert not Segmentation(DATA, replicates=30).evaluate(given, intervals=False).intervals


def test_a_finding_that_no_image_has_is_undefined_and_leaves_the_mean_alone():
    probabilities, masks = simulated()
    masks[:, 1] = False
    result = Segmentation(DATA, replicates=20).evaluate(cases(probabilities, masks))
    assert np.isnan(result.metrics["dice/Pneumothorax"]) and "dice/Pneumothorax" not in result.intervals
    assert result.metrics["dice_macro"] == result.metrics["dice/Effusion"]
    columns, rows = Segmentation(DATA).table(result)
    assert columns == ["finding", "medDice", "Dice", "IoU", "images with it"]
    assert [row[0] for row in rows] == ["macro", *NAMES] and rows[2][-1] == "0"


def test_what_does_not_fit_is_refused():
    for wrong in ({"threshold": 0.52}, {"confidence": 1.0}, {"replicates": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Segmentation(DATA, **wrong)
    with pytest.raises(DataError, match="are not of 1 findings at 19 thresholds"):
        Segmentation(DataSpec(masks=NAMES[:1])).evaluate(cases(*simulated()))


def test_draws_are_kept_so_that_two_runs_can_be_told_apart():
    probabilities, masks = simulated()
    one = Segmentation(DATA, replicates=30).evaluate(cases(probabilities, masks))
    worse = Segmentation(DATA, replicates=30, threshold=0.7).evaluate(cases(probabilities, masks))
    assert one.draws.judged == worse.draws.judged and set(one.draws.values) == set(one.metrics)
    difference = one.draws.values["dice_macro"] - worse.draws.values["dice_macro"]
    assert (difference > 0).all()
    other = Segmentation(DATA, replicates=30).evaluate(cases(probabilities, masks[::-1]))
    assert other.draws.judged != one.draws.judged
