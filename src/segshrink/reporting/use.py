"""How to use the file that a run was for: with segshrink, and without it."""

import json
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from segshrink.formats import Format
from segshrink.records.measurement import Measurement
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.units import human_bytes
from segshrink.reporting.verdict import file_to_take

_LITERT = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

model = Interpreter({file})
model.allocate_tensors()
image, logits = model.get_input_details()[0], model.get_output_details()[0]
height, width = image["shape"][1:3]
photo = Image.open("photo.jpg").convert("RGB").resize((width, height))
model.set_tensor(image["index"], np.asarray(photo, np.float32)[None])
model.invoke()
classes = model.get_tensor(logits["index"])[0].argmax(-1)
"""
_ONNX = """\
import numpy as np
import onnxruntime
from PIL import Image

model = onnxruntime.InferenceSession({file})
image = model.get_inputs()[0]
height, width = image.shape[1:3]
photo = Image.open("photo.jpg").convert("RGB").resize((width, height))
[logits] = model.run(None, {{image.name: np.asarray(photo, np.float32)[None]}})
classes = logits[0].argmax(-1)
"""
_SNIPPETS = {Format.LITERT: _LITERT, Format.ONNX: _ONNX}


@dataclass(frozen=True)
class FileInUse:
    """The file to take, and how.

    Attributes:
        path: the file, below the run folder.
        size: its bytes as text.
        command: predicts a photograph with segshrink.
        snippet: Python that does the same with the runtime alone; empty if there is
            none for the format.
    """

    path: Path
    size: str
    command: str
    snippet: str

    def sentence(self) -> str:
        """For the end of a run."""
        return f"Your file: {self.path}, {self.size}. Try: {self.command}"


def file_in_use(records: RunRecords) -> FileInUse | None:
    """The file to take, see `file_to_take`; None if it is gone or was not measured."""
    taken = file_to_take(records)
    if taken is None:
        return None
    path = path_of(taken, records)
    if path is None:
        return None
    format = Format.of_file(path)
    snippet = "" if format is None else _SNIPPETS.get(format, "")
    return FileInUse(
        path=path,
        size=human_bytes(path.stat().st_size),
        command=f"segshrink predict {quote(str(path))} photo.jpg --out predicted",
        snippet=snippet.format(file=json.dumps(path.name)),
    )


def path_of(measurement: Measurement, records: RunRecords) -> Path | None:
    """The measured file in the run folder; None if it is not there."""
    path = records.folder / "artifacts" / Path(measurement.file).name
    return path if path.is_file() else None
