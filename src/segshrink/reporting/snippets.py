"""Programs that run a file without segshrink, to be copied from the report.

Each takes a photograph that is scaled to the size of the file and gives the class of
each pixel. What a program must know of the file, it asks the file.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from segshrink.formats import Format, Output

_LITERT_PYTHON = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

model = Interpreter({file})
model.allocate_tensors()
image, output = model.get_input_details()[0], model.get_output_details()[0]
height, width = image["shape"][1:3]
photo = Image.open("photo.jpg").convert("RGB").resize((width, height))
model.set_tensor(image["index"], np.asarray(photo, np.float32)[None])
model.invoke()
classes = model.get_tensor(output["index"])[0]{argmax}
"""
_LITERT_KOTLIN = """\
// build.gradle.kts: implementation("com.google.mediapipe:tasks-vision:0.10.+")
// The file lies in src/main/assets; photo is a Bitmap.
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.framework.image.ByteBufferExtractor
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.imagesegmenter.ImageSegmenter

val options = ImageSegmenter.ImageSegmenterOptions.builder()
    .setBaseOptions(BaseOptions.builder().setModelAssetPath({file}).build())
    .setOutputCategoryMask(true)
    .setOutputConfidenceMasks(false)
    .build()
val segmenter = ImageSegmenter.createFromOptions(context, options)
val mask = segmenter.segment(BitmapImageBuilder(photo).build()).categoryMask().get()
val classes = ByteBufferExtractor.extract(mask)  // a byte for each pixel of the photo
"""
_LITERT_JAVASCRIPT = """\
// npm install @litertjs/core; its folder wasm is served beside the page. photo is a
// File, or a Blob.
import {{ loadAndCompile, loadLiteRt, Tensor }} from "@litertjs/core";

await loadLiteRt("node_modules/@litertjs/core/wasm/");
const model = await loadAndCompile({file}, {{ accelerator: "wasm" }});
const [, height, width] = model.getInputDetails()[0].shape;
const context = new OffscreenCanvas(width, height).getContext("2d");
context.drawImage(await createImageBitmap(photo), 0, 0, width, height);
const rgba = context.getImageData(0, 0, width, height).data;
const rgb = new Float32Array(rgba.filter((_, index) => index % 4 < 3));
const [output] = await model.run([new Tensor(rgb, [1, height, width, 3])]);
{search}"""
_SEARCH_JAVASCRIPT = """\
const values = await output.data();
const count = values.length / (height * width);
const classes = Uint8Array.from({ length: height * width }, (_, pixel) => {
  const of = values.subarray(pixel * count, (pixel + 1) * count);
  return of.indexOf(Math.max(...of));
});
"""
_NO_SEARCH_JAVASCRIPT = "const classes = await output.data();\n"
_KOTLIN = "Kotlin, on Android"
_ONNX_PYTHON = """\
import numpy as np
import onnxruntime
from PIL import Image

model = onnxruntime.InferenceSession({file})
image = model.get_inputs()[0]
height, width = image.shape[1:3]
photo = Image.open("photo.jpg").convert("RGB").resize((width, height))
[output] = model.run(None, {{image.name: np.asarray(photo, np.float32)[None]}})
classes = output[0]{argmax}
"""
_OPENVINO_PYTHON = """\
import numpy as np
import openvino
from PIL import Image

exact = {{"INFERENCE_PRECISION_HINT": "f32"}}
model = openvino.Core().compile_model({file}, "CPU", exact)
height, width = model.input(0).shape[1:3]
photo = Image.open("photo.jpg").convert("RGB").resize((width, height))
output = model(np.asarray(photo, np.float32)[None])[0]
classes = output[0]{argmax}
"""
_TEMPLATES = {
    Format.LITERT: {
        "Python": _LITERT_PYTHON,
        _KOTLIN: _LITERT_KOTLIN,
        "JavaScript, in a browser": _LITERT_JAVASCRIPT,
    },
    Format.ONNX: {"Python": _ONNX_PYTHON},
    Format.OPENVINO: {"Python": _OPENVINO_PYTHON},
}


@dataclass(frozen=True)
class Snippet:
    """A program for one file: its language, and the text."""

    language: str
    text: str


def snippets_for(name: str, output: str = Output.LOGITS) -> tuple[Snippet, ...]:
    """Programs that run a file without segshrink.

    Args:
        name: file name, as the programs are to open it.
        output: what the file gives for a pixel; MediaPipe opens no file of classes, so
            that it has no program for Android.

    Returns:
        One per language; empty for formats that need Keras.
    """
    format = Format.of_file(Path(name))
    templates = {} if format is None else _TEMPLATES.get(format, {})
    searched = output != Output.CLASSES
    parts = {
        "argmax": ".argmax(-1)" if searched else "",
        "search": _SEARCH_JAVASCRIPT if searched else _NO_SEARCH_JAVASCRIPT,
    }
    # A text of JSON is one of Python and JavaScript, and of Kotlin but for the dollar.
    file = json.dumps(name)
    of_kotlin = file.replace("$", "\\$")
    return tuple(
        Snippet(
            language,
            template.format(file=of_kotlin if language == _KOTLIN else file, **parts),
        )
        for language, template in templates.items()
        if searched or language != _KOTLIN
    )
