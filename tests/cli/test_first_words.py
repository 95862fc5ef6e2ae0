"""Verbs say what they do before they import what takes seconds."""

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


WITH_KERAS = {
    "compress": ["synthetic", "--out", "c"],
    "distill": ["synthetic", "--teacher=t.keras", "--student=s.keras", "--out", "d"],
    "export": ["m.keras", "--out", "m.tflite"],
    "prune": ["m.keras", "--keep", "0.5", "--no-recover", "--out", "small.keras"],
    "search": ["synthetic", "--recipe", "search", "--out", "s"],
    "train": ["synthetic", "--out", "t"],
}


@pytest.mark.parametrize("verb", WITH_KERAS)
def test_the_loading_of_keras_is_said_before_it(verb, tmp_path):
    for name in ("m", "s", "t"):
        (tmp_path / f"{name}.keras").write_bytes(b"is not looked at")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, verb, *WITH_KERAS[verb]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    first, _, loaded = done.stdout.partition("|")
    assert first == "Loading Keras ...", done
    # The data's own code needs these two, which take a third of a second.
    assert set(loaded.split()) <= {"PIL", "numpy"}
