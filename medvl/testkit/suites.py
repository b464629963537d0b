"""What any objective, fusion or encoder must do to be mixed with the others, as tests to inherit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from medvl.config.schema import parameters_of
from medvl.errors import ConfigError
from medvl.models.base import Model
from medvl.plugins import Plugins
from medvl.registry import Entry
from medvl.testkit.workbench import SIZE, Workbench, evaluating, train


class Suite:
    """What all suites share.

    Attributes:
        name: the component's registered name.
        plugin: a one-file plugin's path; None where the plugin is installed.
        parameters: the component's YAML parameters.
        model: model slots around it, as in YAML; tiny ones where left out.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    plugin: ClassVar[str | Path | None] = None
    parameters: ClassVar[dict[str, Any]] = {}
    model: ClassVar[dict[str, Any]] = {}

    @property
    def plugins(self) -> Plugins:
        """All plugins, and the file."""
        return Plugins(() if self.plugin is None else (self.plugin,))

    @property
    def entry(self) -> Entry:
        """The component's place in the registry."""
        return self.plugins.get(self.kind, self.name)

    @property
    def itself(self) -> dict[str, Any]:
        """The component as it would stand in YAML."""
        return {"name": self.name, **self.parameters}

    def test_it_is_described(self) -> None:
        """A docstring that begins with a sentence and names every YAML parameter, for `medvl describe`."""
        entry = self.entry
        assert entry.summary, f"{entry.kind} '{entry.name}' has no docstring"
        silent = [name for name in parameters_of(entry.load()) if name not in entry.doc]
        assert not silent, f"parameters that the docstring does not mention: {silent}"

    def test_its_parameters_are_typed(self) -> None:
        """The signature is the schema: without types nothing can be checked."""
        untyped = [p.name for p in parameters_of(self.entry.load()).values() if p.annotation is Any]
        assert not untyped, f"parameters without a type: {untyped}"


class ObjectiveSuite(Suite):
    """Grades an objective on tiny encoders.

    Attributes:
        views: views in place of plain ones, as in YAML.
        lowers: whether 20 steps on one batch lower the loss; False where it changes its own task as it learns.
    """

    kind = "objective"
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    lowers: ClassVar[bool] = True

    @property
    def bench(self) -> Workbench:
        """A stage around it; building one checks it on the meta device."""
        return Workbench.of(self.plugins, self.itself, self.model, self.views)

    def test_it_fits_its_model_on_the_meta_device(self) -> None:
        """`medvl check` accepts it, and finds parameters to train."""
        assert self.bench.plan.parameters > 0

    def test_what_is_missing_is_refused(self) -> None:
        """Without the encoders that it needs, `medvl check` says so instead of failing."""
        needed = {feature.partition(".")[0] for feature in self.entry.load().needs}  # type: ignore[attr-defined]
        for slot in needed & {"image", "text"}:
            try:
                Workbench.of(self.plugins, self.itself, {**self.model, "fusion": None, slot: None}, self.views)
            except ConfigError as error:
                assert slot in str(error)
            else:
                raise AssertionError(f"accepted a model without {slot}")

    def test_losses_are_finite_scalars(self) -> None:
        """Named scalars, for full and for small batches."""
        bench = self.bench
        trainable = bench.build()
        for rows in (6, 2):
            losses = trainable(bench.batch(rows))
            assert losses, "no loss"
            for name, loss in losses.items():
                assert loss.ndim == 0, f"{name} has shape {tuple(loss.shape)}"
                assert loss.isfinite(), f"{name} is {loss}"

    def test_gradients_are_finite_and_reach_every_slot(self) -> None:
        """Some parameter of every slot that it uses, and no gradient that is not a number."""
        bench = self.bench
        trainable = bench.build()
        trainable.objective.before_step(trainable.model)
        torch.stack(list(trainable(bench.batch()).values())).sum().backward()
        grads = {n: p.grad for n, p in trainable.named_parameters() if p.grad is not None}
        assert all(bool(grad.isfinite().all()) for grad in grads.values())
        for slot in bench.plan.slots:
            reached = [n for n, grad in grads.items() if n.startswith(f"model.{slot}.") and bool(grad.any())]
            trained = any(p.requires_grad for p in getattr(trainable.model, slot).parameters())
            assert reached or not trained, f"no gradient reaches {slot}"

    def test_training_lowers_the_loss(self) -> None:
        """On one batch, over and over; where the task changes as it learns, the losses only stay finite."""
        bench = self.bench
        losses = train(bench.build(), [bench.batch()] * 20)
        assert all(abs(loss) < float("inf") for loss in losses)
        assert not self.lowers or losses[-1] < losses[0], f"from {losses[0]} to {losses[-1]}"

    def test_a_seed_decides_everything(self) -> None:
        """Same seed, same losses."""
        bench = self.bench
        batches = [bench.batch(seed=seed) for seed in range(3)]
        assert train(bench.build(1), batches) == train(bench.build(1), batches)

    def test_its_state_is_all_that_it_remembers(self) -> None:
        """A trained one and a fresh one with its `state_dict` go on alike: queues and momentum encoders are buffers."""
        bench = self.bench
        trained, fresh = bench.build(1), bench.build(2)
        train(trained, [bench.batch(seed=seed) for seed in range(2)])
        fresh.load_state_dict(trained.state_dict())
        torch.manual_seed(3)
        ahead = train(trained, [bench.batch(seed=7)] * 2)
        torch.manual_seed(3)
        assert train(fresh, [bench.batch(seed=7)] * 2) == ahead

    def test_evaluation_leaves_no_trace(self) -> None:
        """Losses and predictions in evaluation mode change nothing."""
        bench = self.bench
        trainable = bench.build()
        before = {name: tensor.clone() for name, tensor in trainable.state_dict().items()}
        with evaluating(trainable):
            trainable(bench.batch())
            if trainable.objective.predicts:
                trainable.predict(bench.batch())
        _same_state(before, trainable.state_dict())

    def test_predictions_are_what_it_declares(self) -> None:
        """All names of `predicts`, a row a case."""
        bench = self.bench
        trainable = bench.build()
        if not trainable.objective.predicts:
            return
        with evaluating(trainable):
            found = trainable.predict(bench.batch(rows=5))
        assert set(trainable.objective.predicts) <= set(found)
        assert all(len(value) == 5 for value in found.values())

    def test_what_it_restores_is_what_it_shows(self) -> None:
        """Where it `reconstructs`: pictures and words of each case, whole where nothing was hidden, always the same."""
        bench = self.bench
        trainable = bench.build()
        if not trainable.objective.reconstructs:
            return
        with evaluating(trainable):
            found, again = (trainable.objective.reconstruction(trainable.model, bench.batch(rows=3)) for _ in range(2))
        assert found.images is not None or found.texts is not None
        if found.images is not None and again.images is not None:
            pictures = found.images
            assert pictures.restored.shape == pictures.truth.shape and len(pictures.seen) == len(pictures.removed) == 3
            assert pictures.restored.equal(again.images.restored)
            height, width = (pictures.truth.shape[axis + 1] // pictures.removed.shape[axis] for axis in (1, 2))
            hidden = pictures.removed.repeat_interleave(height, 1).repeat_interleave(width, 2)[:, None]
            assert pictures.restored[~hidden].equal(pictures.truth[~hidden])
        if found.texts is not None:
            texts = found.texts
            assert texts.ids.shape == texts.hidden.shape == texts.told.shape
            assert texts.told[~texts.hidden].equal(texts.ids[~texts.hidden])

    def test_what_it_compares_can_be_embedded_in_parts(self) -> None:
        """Where it `compares`: parts that are embedded apart and compared end to end lose what the batch loses."""
        bench = self.bench
        trainable = bench.build()
        objective, batch = trainable.objective, bench.batch(rows=6)
        if not objective.compares:
            return
        parts = [{name: value[at : at + 3] for name, value in batch.items()} for at in (0, 3)]
        with evaluating(trainable):
            whole = objective.compare(objective.embed(trainable.model, batch))
            embedded = [objective.embed(trainable.model, part) for part in parts]
            found = objective.compare({name: torch.cat([part[name] for part in embedded]) for name in embedded[0]})
        for name, value in whole.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4)

    def test_images_and_texts_share_a_space(self) -> None:
        """Where it `aligns`: unit vectors of one width, whatever the modality, and each from its modality alone."""
        bench = self.bench
        trainable = bench.build()
        objective, batch = trainable.objective, bench.batch(rows=5)
        if not objective.aligns:
            return
        with evaluating(trainable):
            image = objective.embed_images(trainable.model, {"image": batch["image"]})
            texts = {name: value for name, value in batch.items() if name.startswith("text.")}
            text = objective.embed_texts(trainable.model, texts)
        assert image.shape == text.shape and len(image) == 5
        torch.testing.assert_close(torch.cat([image, text]).norm(dim=1), torch.ones(10, device=image.device))

    def test_pairs_are_scored_from_halves(self) -> None:
        """Where it `scores_pairs`: halves belong to the image or the text alone, and a pair's score to its own two."""
        bench = self.bench
        trainable = bench.build()
        if not trainable.objective.scores_pairs:
            return
        with evaluating(trainable):
            halves = trainable.halves(bench.batch(rows=5))
            scores = trainable.score_pairs(halves)
            order = torch.tensor([3, 1, 4, 0, 2])
            other = trainable.score_pairs({name: value[order] for name, value in halves.items()})
        assert all(name.startswith(("image.", "text.")) and len(value) == 5 for name, value in halves.items())
        assert scores.shape == (5,) and scores.dtype == torch.float32
        torch.testing.assert_close(other, scores[order], atol=1e-5, rtol=1e-4)

    def test_exports_are_modules(self) -> None:
        """What later stages start from."""
        trainable = self.bench.build()
        exports = trainable.objective.exports(trainable.model)
        assert exports
        assert all(isinstance(module, nn.Module) for module in exports.values())


class FusionSuite(Suite):
    """Grades a fusion under the `multilabel` objective."""

    kind = "fusion"

    @property
    def bench(self) -> Workbench:
        """A stage around it; building one checks it on the meta device."""
        return Workbench.of(self.plugins, {"name": "multilabel"}, {**self.model, "fusion": self.itself})

    def test_it_gives_what_it_declares(self) -> None:
        """Every feature of `gives`, with its width, finite."""
        bench = self.bench
        trainable = bench.build()
        model = trainable.model
        with evaluating(trainable):
            found = model(bench.batch(rows=5), _fusion(model).gives)
        for name in _fusion(model).gives:
            assert found[name].shape[0] == 5, name
            assert found[name].shape[-1] == model.width(name), name
            assert found[name].isfinite().all(), name

    def test_padding_does_not_matter(self) -> None:
        """More columns of padding, the same `joint.cls`."""
        bench = self.bench
        trainable = bench.build()
        batch = bench.batch()
        with evaluating(trainable):
            narrow = trainable.model(batch, ("joint.cls",))["joint.cls"]
            wide = trainable.model(_padded(batch), ("joint.cls",))["joint.cls"]
        torch.testing.assert_close(wide, narrow, atol=1e-5, rtol=1e-4)

    def test_samples_do_not_see_each_other(self) -> None:
        """A case's `joint.cls` is the same in any batch, in evaluation mode."""
        bench = self.bench
        trainable = bench.build()
        batch = bench.batch()
        with evaluating(trainable):
            whole = trainable.model(batch, ("joint.cls",))["joint.cls"]
            part = trainable.model({name: value[:2] for name, value in batch.items()}, ("joint.cls",))["joint.cls"]
        torch.testing.assert_close(part, whole[:2], atol=1e-5, rtol=1e-4)

    def test_it_trains(self) -> None:
        """20 steps on one batch lower the loss."""
        bench = self.bench
        losses = train(bench.build(), [bench.batch()] * 20)
        assert losses[-1] < losses[0]

    def test_it_writes_as_it_reads(self) -> None:
        """Where it has `generate`: `next_words` is what steps give, and rows that are selected go on as they were."""
        bench = self.bench
        trainable = bench.build()
        model = trainable.model
        fusion, batch = _fusion(model), bench.batch(rows=4)
        if "generate" not in fusion.capabilities:
            return
        rows, ids, real = torch.tensor([3, 1, 1]), batch["text.ids"], batch["text.mask"][:, 1:]
        with evaluating(trainable):
            features = model(batch, fusion.needs)
            found = fusion.next_words(model, features)  # (B, T - 1, D)
            state = fusion.begin(model, features | {"text.ids": ids[:, :1]}, ids.shape[1])
            steps = [fusion.step(model, state, None), fusion.step(model, state, ids[:, 1])]
            state.select(rows)
            third = fusion.step(model, state, ids[rows, 2])
        for place, step in enumerate(steps):
            torch.testing.assert_close(step, found[:, place], atol=1e-4, rtol=1e-4)
        there = real[rows, 2]
        torch.testing.assert_close(third[there], found[rows, 2][there], atol=1e-4, rtol=1e-4)


class EncoderSuite(Suite):
    """Grades an image or text encoder, in front of the fusion `concat`."""

    kind = "encoder"

    @property
    def modality(self) -> str:
        """`image` or `text`."""
        return self.entry.load().modality  # type: ignore[attr-defined]

    @property
    def bench(self) -> Workbench:
        """A stage around it; building one checks it on the meta device."""
        return Workbench.of(self.plugins, {"name": "multilabel"}, {**self.model, self.modality: self.itself})

    def test_it_gives_what_it_declares(self) -> None:
        """Tokens and pooled vectors of the declared sizes."""
        bench = self.bench
        trainable = bench.build()
        declared = getattr(trainable.model, self.modality).features()
        with evaluating(trainable):
            found = trainable.model(bench.batch(rows=5), [feature.name for feature in declared])
        for feature in declared:
            value = found[feature.name]
            if value.ndim == 4:  # a map: channels stand before the grid
                assert value.shape == (5, feature.width, *(feature.grid or ())), feature.name
                continue
            assert (value.shape[0], value.shape[-1]) == (5, feature.width), feature.name
            assert feature.tokens is None or value.shape[1] == feature.tokens, feature.name
            if feature.grid is not None:
                assert feature.grid[0] * feature.grid[1] == feature.tokens, feature.name

    def test_it_computes_what_is_asked(self) -> None:
        """A feature asked for alone is there, and is what it is beside the others."""
        bench = self.bench
        trainable = bench.build()
        both = [feature.name for feature in getattr(trainable.model, self.modality).features()]
        with evaluating(trainable):
            together = trainable.model(bench.batch(), both)
            for name in both:
                torch.testing.assert_close(trainable.model(bench.batch(), [name])[name], together[name])

    def test_padding_does_not_matter(self) -> None:
        """Of a text encoder: more columns of padding, the same pooled vector."""
        if self.modality != "text":
            return
        bench = self.bench
        trainable = bench.build()
        batch = bench.batch()
        with evaluating(trainable):
            narrow = trainable.model(batch, ("text.pooled",))["text.pooled"]
            wide = trainable.model(_padded(batch), ("text.pooled",))["text.pooled"]
        torch.testing.assert_close(wide, narrow, atol=1e-5, rtol=1e-4)

    def test_it_takes_one_channel_of_the_views_size(self) -> None:
        """`medvl check` built it for radiographs of one channel."""
        if self.modality == "image":
            assert self.bench.plan.size == SIZE

    def test_it_trains(self) -> None:
        """20 steps on one batch lower the loss."""
        bench = self.bench
        losses = train(bench.build(), [bench.batch()] * 20)
        assert losses[-1] < losses[0]


def _fusion(model: Model) -> Any:
    assert model.fusion is not None
    return model.fusion


def _padded(batch: dict[str, Any], columns: int = 3) -> dict[str, Any]:
    """The batch with more padding behind its texts."""
    wider = {name: nn.functional.pad(batch[name], (0, columns)) for name in ("text.ids", "text.mask") if name in batch}
    return batch | wider


def _same_state(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    changed = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    assert not changed, f"evaluation changed {changed}"
