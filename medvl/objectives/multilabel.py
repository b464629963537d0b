"""Multi-label classification from one pooled feature."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from medvl.config.schema import Slot
from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.objectives.base import Objective

Pooled = Literal["joint.cls", "image.pooled", "text.pooled"]


class Multilabel(Objective):
    """Classifies each case into any number of labels.

    Args:
        model: gives the feature.
        data: its labels are the columns of the logits.
        loss: called with (B, K) logits and (B, K) labels, NaN where a label is unknown. One that has `classes` > 1,
            such as `three_class`, is called with (B, K * classes) logits, and tells by `decide` what (B, K) to judge;
            one that has `tells_uncertain` is told -1 where a mention is uncertain.
        head: `linear`, or `transform`: dense, GELU, LayerNorm, linear (ChestBERT, Jacenkow 2022).
        dropout: on the feature, in front of the head; in [0, 1).
        feature: what is classified; by default `joint.cls` where the model has a fusion, else the pooled feature
            of the encoder that it has, of the image where it has both.

    Raises:
        ConfigError: the data has no labels, the model does not give the feature, a loss over classes does not decide.
    """

    reads: ClassVar[tuple[str, ...]] = ("labels",)
    predicts: ClassVar[tuple[str, ...]] = ("logits",)

    def __init__(
        self,
        model: Model,
        data: DataSpec,
        *,
        loss: Annotated[nn.Module, Slot("loss")] = "bce",  # type: ignore[assignment]  # replaced by the built module
        head: Literal["linear", "transform"] = "linear",
        dropout: float = 0.0,
        feature: Pooled | None = None,
    ) -> None:
        super().__init__()
        if not data.labels:
            raise ConfigError(
                "objective 'multilabel' needs labels, and this stage's data has none. "
                "choose a dataset with labels, or give its 'labels' setting another value than none"
            )
        self.feature = _feature(model, feature)
        self.needs = (self.feature,)
        self.loss = loss
        classes = getattr(loss, "classes", 1)
        if classes > 1 and not hasattr(loss, "decide"):
            raise ConfigError(
                f"objective 'multilabel': {type(loss).__name__} wants {classes} logits a label, and does not say "
                "how they are judged. do: give it a method decide, (B, K * classes) -> (B, K)"
            )
        self.bears_uncertain = self.tells_uncertain = getattr(loss, "tells_uncertain", False)
        self.head = classification_head(model.width(self.feature), len(data.labels) * classes, head, dropout)

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """The loss over `batch["labels"]`, under the name `multilabel`."""
        return {"multilabel": self.loss(self.logits(model, batch), batch["labels"])}

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """{"logits": (B, K)}, of present against absent."""
        decide, logits = getattr(self.loss, "decide", None), self.logits(model, batch)
        return {"logits": logits if decide is None else decide(logits)}

    def cautions(self, model: Model) -> dict[str, str]:
        """Where uncertain mentions are a class, that they are out of the probability."""
        if not self.tells_uncertain:
            return {}
        return {
            "logits": "probabilities are those of present against absent, whatever the model gives to uncertain; it "
            "is judged on certain cases alone"
        }

    def logits(self, model: Model, batch: Batch) -> Tensor:
        """(B, K * classes) float32, as the loss takes them."""
        return self.head(model(batch, self.needs)[self.feature]).float()

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoders, the fusion, and the head."""
        return super().exports(model) | {"head": self.head}


def classification_head(
    width: int, labels: int, kind: Literal["linear", "transform"] = "linear", dropout: float = 0.0
) -> nn.Sequential:
    """(B, width) -> (B, labels); `transform` puts a dense layer, GELU and LayerNorm in front of the linear one."""
    transform = [nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12)] if kind == "transform" else []
    return nn.Sequential(nn.Dropout(dropout), *transform, nn.Linear(width, labels))


def _feature(model: Model, wanted: Pooled | None) -> str:
    """The feature to classify."""
    given = [name for name in ("joint.cls", "image.pooled", "text.pooled") if name in model.features()]
    if wanted is None and given:
        return given[0]
    if wanted in given:
        return wanted
    raise ConfigError(
        f"objective 'multilabel' wants to classify {wanted or 'a pooled feature'}, and this model gives "
        f"{', '.join(given) or 'none'}. fill the slot that gives it, or choose another feature"
    )
