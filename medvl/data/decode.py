"""How image files become pixels, where there is a choice: the keys of `decode:` in an experiment's `data:` section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from medvl.errors import ConfigError, unknown

Jpeg2000 = Literal["full", "reduced"]


@dataclass(frozen=True)
class Decode:
    """Decoding settings; they name the decoded-image store, stand in its manifest, and prediction obeys them too.

    What is kept is smaller than the file, so most files need not be decoded in full. By default a shortcut is taken
    where it changes pixels about as much as the choice of a resize filter does (some 50 dB; `benchmarks/prepare.py`
    measures it): JPEG through scaled DCT, and 16-bit values averaged before the table to 8 bits, both only while 1.5
    pixels are decoded for each one kept. Lossless syntaxes give the same pixels whichever decoder is installed.

    Attributes:
        window: of a DICOM file with several VOI LUTs or windows, which one: its LUTs count first, from 0.
        exact: no shortcut: all pixels are decoded, shown through the table, and then scaled.
        jpeg2000: `reduced` decodes JPEG 2000 at the lowest of its resolutions that is not below what is kept, some ten
            times faster; its low-pass filter is not an average (44 dB and more), so it is never taken unasked.

    Raises:
        ConfigError: a value that is unknown, or settings that contradict each other.
    """

    window: int = 0
    exact: bool = False
    jpeg2000: Jpeg2000 = "full"

    def __post_init__(self) -> None:
        problems = []
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 0:
            problems.append(f"decode: window is {self.window!r}; a place from 0 is needed, 0 for the first")
        if not isinstance(self.exact, bool):
            problems.append(f"decode: exact is {self.exact!r}; true or false is needed")
        if self.jpeg2000 not in get_args(Jpeg2000):
            problems.append(f"decode: {unknown('jpeg2000', str(self.jpeg2000), get_args(Jpeg2000))}")
        elif self.exact and self.jpeg2000 == "reduced":
            problems.append("decode: exact asks for all pixels and jpeg2000 for fewer; give one of them")
        if problems:
            raise ConfigError(problems)

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Decode:
        """The settings of a YAML mapping.

        Raises:
            ConfigError: an unknown key or value.
        """
        known = [field.name for field in fields(cls)]
        problems = [f"decode: {unknown('key', key, known)}" for key in given or {} if key not in known]
        if problems:
            raise ConfigError(problems)
        return cls(**(given or {}))

    def plain(self) -> dict[str, Any]:
        """As a mapping, for manifests."""
        return asdict(self)

    @property
    def tag(self) -> str:
        """What differs from the defaults, for folder names: `window1-exact`; empty where nothing does."""
        marks = [f"window{self.window}"] if self.window else []
        marks += ["exact"] if self.exact else []
        return "-".join([*marks, "j2kreduced"] if self.jpeg2000 == "reduced" else marks)
