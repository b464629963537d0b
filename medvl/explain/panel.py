"""What a panel is: one way to look at a case, for the runs whose model or objective can do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from xml.etree.ElementTree import Element

if TYPE_CHECKING:
    from medvl.explain.subject import Subject


@dataclass(frozen=True)
class Shown:
    """What a panel shows of one case.

    Attributes:
        body: for the page, of `medvl.explain.markup.element`, which escapes what it is given.
        pictures: file name -> PNG, written beside the page.
    """

    body: Element
    pictures: dict[str, bytes] = field(default_factory=dict)


class Panel(ABC):
    """One way to look at a run's cases. To add one, write a file in `medvl/explain/panels/` and name it in `PANELS`.

    Attributes:
        title: above what it shows of a case.
        about: a sentence under the title: what is seen, and how to read it.
    """

    title: ClassVar[str]
    about: ClassVar[str]

    @abstractmethod
    def lacks(self, subject: Subject) -> str | None:
        """Why this run cannot be shown so, in a few words; None where it can."""

    @abstractmethod
    def show(self, subject: Subject) -> list[Shown]:
        """What there is to show of each case of `subject.cases`, in order."""
