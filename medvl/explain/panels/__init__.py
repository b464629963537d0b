"""The panels, in the order of the page."""

from __future__ import annotations

from medvl.explain.panel import Panel
from medvl.explain.panels.attention import Attention
from medvl.explain.panels.contributions import WordsAndRegions
from medvl.explain.panels.predictions import PredictedFindings
from medvl.explain.panels.reconstruction import Reconstructions
from medvl.explain.panels.reports import WrittenReports
from medvl.explain.panels.retrieved import RetrievedCases
from medvl.explain.panels.saliency import SalientRegions

PANELS: tuple[type[Panel], ...] = (
    Attention, SalientRegions, WordsAndRegions, Reconstructions, WrittenReports, RetrievedCases, PredictedFindings
)  # fmt: skip
