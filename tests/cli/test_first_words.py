"""Verbs that need no Keras say what they do before they import what takes seconds."""

import subprocess
import sys

import pytest

from segshrink.runtimes import shipped_model

# What computes, decodes or draws takes seconds to import.
HEAVY = (
    "ai_edge_litert jax jinja2 keras matplotlib numpy onnx onnxruntime openvino optuna "
    "PIL ray scipy tensorflow torch"
).split()
PROGRAM = f"""
import os
import sys

class FirstWords:
    def write(self, text):
        if text.strip():
            loaded = sorted(set({HEAVY!r}) & set(sys.modules))
            os.write(1, (text.strip() + "|" + " ".join(loaded)).encode())
            os._exit(0)
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False

sys.stdout = sys.stderr = FirstWords()
from segshrink.cli import main
main()
"""
FIRST = {
    "benchmark": (["m.tflite"], "Opening m.tflite ..."),
    "convert": (["synthetic", "--out", "c"], "Reading synthetic ..."),
    "doctor": ([], "Looking at packages and devices and testing their speed ..."),
    "evaluate": (["m.tflite", "synthetic"], "Opening m.tflite ..."),
    "inspect": (["synthetic"], "Reading synthetic ..."),
    "predict": ([str(shipped_model()), "p.jpg", "--out", "o"], "Reading "),
    "report": (["runs/first"], "Reading runs/first ..."),
}


@pytest.mark.parametrize("verb", FIRST)
def test_what_is_done_is_said_first(verb, tmp_path):
    words, said = FIRST[verb]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, verb, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    first, _, loaded = done.stdout.partition("|")
    assert first.startswith(said), done
    assert loaded == ""
