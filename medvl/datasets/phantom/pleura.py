"""What collects between lung and ribcage in the front view: fluid (effusion) and gas (pneumothorax)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.datasets.phantom.anatomy import Torso
from medvl.datasets.phantom.shapes import Field, Shape, band, ramp

INSET = 1 / 128  # half a pixel of a radiograph of 128 pixels
_STEPS = np.linspace(-0.95, 0.95, 240, dtype=np.float32)[None, :, None]


@dataclass(frozen=True)
class Fluid:
    """A pleural effusion: the lung's base below a meniscus that climbs the side wall."""

    torso: Torso
    side: Field  # -1 or 1
    level: Field
    climb: Field
    inset = INSET

    def surface_at(self, s: Field) -> Field:
        """y of the meniscus at distance s from the midline."""
        r = s / self.torso.lung
        return self.level - self.climb * r * r * r

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, in body units."""
        s = self.side * x
        bottom = self.torso.diaphragm_at(s, self.side) - y
        sides = np.minimum(self.torso.width_at(y) - s, s - self.torso.medial_at(y))
        return np.minimum(np.minimum(bottom, y - self.surface_at(s)), sides)

    def outline(self) -> tuple[Field, Field]:
        """Points on its four sides."""
        s, y = np.abs(_STEPS), _STEPS + 0 * self.side
        return on_outline(
            self,
            [
                (self.side * s, self.surface_at(s) + INSET),
                (self.side * s, self.torso.diaphragm_at(s, self.side) - INSET),
                (self.side * (self.torso.width_at(y) - INSET), y),
                (self.side * (self.torso.medial_at(y) + INSET), y),
            ],
        )


@dataclass(frozen=True)
class Gas:
    """A pneumothorax: the space between the ribcage and the edge of a lung that has fallen away from it."""

    torso: Torso
    side: Field
    depth: Field  # of the gap at its widest
    end: Field  # y where the gap closes
    inset = INSET

    def edge_at(self, y: Field) -> Field:
        """Distance from the midline to the lung's edge at height y."""
        t = np.clip((y - self.torso.apex) / (self.end - self.torso.apex), 0, 1)
        return self.torso.width_at(y) - self.depth * (1 - t * t)

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, in body units."""
        s = self.side * x
        across = np.minimum(self.torso.width_at(y) - s, s - self.edge_at(y))
        ends = np.minimum(self.end - y, self.torso.diaphragm_at(s, self.side) - y)
        return np.minimum(np.minimum(across, ends), s - self.torso.medial_at(y))

    def outline(self) -> tuple[Field, Field]:
        """Points on the ribcage, on the lung's edge, and beside the mediastinum."""
        t = (_STEPS + 0.95) / 1.9
        y = self.torso.apex + t * (self.end - self.torso.apex)
        walls = [self.torso.width_at(y) - INSET, self.edge_at(y) + INSET, self.torso.medial_at(y) + INSET]
        return on_outline(self, [(self.side * s, y) for s in walls])

    def lung_edge(self, x: Field, y: Field) -> Field:
        """The visible line of the visceral pleura, 0 to 1."""
        s = self.side * x
        ends = np.minimum(self.end - y, s - self.torso.medial_at(y))
        return band(s - self.edge_at(y), 0.025) * ramp(ends, 0.03)


def on_outline(shape: Shape, lines: list[tuple[Field, Field]]) -> tuple[Field, Field]:
    """Points of these lines that are not cut off by another."""
    x = np.concatenate([np.broadcast_to(x, np.broadcast_shapes(x.shape, y.shape)) for x, y in lines], axis=1)
    y = np.concatenate([np.broadcast_to(y, np.broadcast_shapes(x.shape, y.shape)) for x, y in lines], axis=1)
    on = shape.inside(x, y) > shape.inset - 1e-3
    return np.where(on, x, np.nan), np.where(on, y, np.nan)
