"""Settings of the exported files, and of their measuring."""

from typing import Literal, Self

from pydantic import Field, model_validator

from segshrink.recipe.settings import Settings


class ExportSettings(Settings):
    """The files that are made of the student; of the teacher the float ones are made.

    `output`: what all of them give for a pixel. A file of classes is measured by them,
    and has no average precision. `max_drop`: points of mean IoU that the int8 file may
    lose on validation tiles; a file that loses more is repaired by accuracy control, as
    a last resort by quantization-aware training. `qat_epochs`: epochs of that training;
    0 skips it.
    """

    litert: bool = True
    int8: bool = True
    onnx: bool = True
    output: Literal["logits", "probabilities", "classes"] = "logits"
    calibration_tiles: int = Field(64, ge=1)
    max_drop: float = Field(1.0, ge=0)
    qat_epochs: int = Field(4, ge=0)

    @model_validator(mode="after")
    def _require_a_file(self) -> Self:
        if not (self.litert or self.onnx or self.int8):
            raise ValueError("at least one of litert, int8 and onnx must be true")
        return self


class MeasuringSettings(Settings):
    """The part on which files are measured, and how latency is timed."""

    part: Literal["val", "test"] = "test"
    threads: int = Field(1, ge=1)
    rounds: int = Field(15, ge=3)
    samples: int = Field(10, ge=1, le=20)
