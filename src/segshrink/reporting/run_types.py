"""A run folder as its records tell it, as the report reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segshrink.records.measurement import ClassColor, Measurement


@dataclass(frozen=True)
class History:
    """One training run: `columns[name][i]` belongs to `epochs[i]`, 1-based."""

    epochs: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]

    def points(self, column: str) -> tuple[list[int], list[float]]:
        """Epochs and values where `column` holds a number; empty without it."""
        values = self.columns.get(column, ())
        known = [
            (epoch, value)
            for epoch, value in zip(self.epochs, values, strict=False)
            if value is not None
        ]
        return [epoch for epoch, _ in known], [value for _, value in known]


@dataclass(frozen=True)
class Sample:
    """A held-out image with its truth and predictions, as coloured pictures."""

    name: str
    image: Path
    truth: Path | None
    predictions: Mapping[str, Path]


@dataclass(frozen=True)
class RunRecords:
    """A run folder as its records tell it.

    `measurements` are sorted: teacher, then baselines, then students. `histories` are
    keyed `teacher`, `student`, `masked`, `alone`; `recipe_text` is the YAML as it lies
    in the folder and `recipe` what it says.
    """

    folder: Path
    measurements: tuple[Measurement, ...]
    histories: Mapping[str, History]
    classes: tuple[ClassColor, ...]
    samples: tuple[Sample, ...]
    recipe: Mapping[str, Any]
    recipe_text: str
