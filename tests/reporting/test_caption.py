from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from segshrink.records.machine import Machine
from segshrink.records.measurement import Role
from segshrink.records.run import RunData
from segshrink.reporting.caption import (
    caption_lines,
    listing,
    machine_text,
    warning_lines,
)
from segshrink.reporting.run_records import read_run

from .run_folder import measurement_record

Builder = Callable[..., Path]


def test_the_caption_states_data_machine_and_versions(run_folder: Builder) -> None:
    text = "\n".join(caption_lines(read_run(run_folder())))
    for fact in (
        "Quality on the test part of aerial (18 images",
        "scenes held out: Tile 2, Tile 5)",
        "split from file by_tile.json",
        "Example Processor 3000, 2 cores, Linux x86_64",
        "256×256 pixels with 1 thread",
        "15 rounds",
        "LiteRT 2.1.0, ONNX Runtime 1.23.0",
        "Masks only: a baseline",
        "No teacher: a baseline",
    ):
        assert fact in text


def test_whether_int8_is_fast_on_the_machine_is_told_where_known() -> None:
    def text(known: bool | None) -> str:
        return machine_text(
            Machine(processor="Example", int8_dot_products=known, cores=2)
        )

    assert text(True) == "Example, int8 dot products, 2 cores"
    assert text(False) == "Example, no int8 dot products, 2 cores"
    assert text(None) == "Example, 2 cores"


def test_baselines_are_explained_only_where_they_are(run_folder: Builder) -> None:
    records = {"teacher": measurement_record("teacher")}
    text = "\n".join(caption_lines(read_run(run_folder(records=records))))
    assert "baseline" not in text


def test_what_int8_needed_is_told(run_folder: Builder) -> None:
    plain = measurement_record("student-int8")
    other = measurement_record("student-float")
    layers = ["encoder", "logits"]
    mended = plain | {
        "export": {
            "agreement": 0.98,
            "drop": 0.4,
            "remedy": "encoder, logits in float32",
            "float_layers": layers,
        }
    }
    records = {"mended": mended, "other": other}
    lines = caption_lines(read_run(run_folder(records=records)))
    assert [line for line in lines if "was made with" in line] == [
        "student-int8 was made with encoder, logits in float32, since a plain int8 "
        "file lost too much mIoU."
    ]


def test_a_clean_run_has_no_warnings(run_folder: Builder) -> None:
    assert warning_lines(read_run(run_folder())) == ()


def test_a_doubtful_spread_names_file_and_percent(run_folder: Builder) -> None:
    record = measurement_record("teacher")
    record["latency"] |= {
        **{"median_ms": 100.0, "p25_ms": 90.0, "p75_ms": 130.0},
        "spread_doubtful": True,
    }
    [warning] = warning_lines(read_run(run_folder(records={"teacher": record})))
    assert warning.startswith("Doubtful latency") and "teacher (40 %)" in warning


def test_a_scene_on_two_sides_is_a_leak(run_folder: Builder) -> None:
    record = measurement_record("teacher")
    record["data"]["split"]["train"] = ["Tile 1", "Tile 5"]
    run = read_run(run_folder(records={"teacher": record}))
    [warning] = warning_lines(run)
    assert warning.startswith("Leaking split")
    caption = "\n".join(caption_lines(run))
    assert "(18 images, scenes: Tile 2, Tile 5)" in caption
    assert "held out" not in caption


def test_a_split_that_says_it_leaks_is_believed(run_folder: Builder) -> None:
    record = measurement_record("teacher")
    record["data"]["split"]["leaking"] = True
    [warning] = warning_lines(read_run(run_folder(records={"teacher": record})))
    assert warning.startswith("Leaking split")


def test_the_validation_part_is_told(run_folder: Builder) -> None:
    record = measurement_record("teacher")
    record["quality"]["part"] = "val"
    [warning] = warning_lines(read_run(run_folder(records={"teacher": record})))
    assert warning.startswith("Scored on the validation part")


def test_several_machines_and_a_missing_teacher_are_told(run_folder: Builder) -> None:
    elsewhere = measurement_record("student-onnx", machine={"processor": "Another"})
    records = {"teacher": measurement_record("teacher"), "student-onnx": elsewhere}
    machines, lonely = warning_lines(read_run(run_folder(records=records)))
    assert "Latencies come from 2 machines" in machines and "Another" in machines
    assert "No float file of the teacher" in lonely and "student-onnx" in lonely


def test_long_lists_of_scenes_are_cut() -> None:
    names = [f"s{number}" for number in range(15)]
    assert listing(names, most=3) == "s0, s1, s2 and 12 more"
    assert listing(names[:3], most=3) == "s0, s1, s2"


def test_images_without_labels_are_counted(run_folder: Builder) -> None:
    folder = run_folder()
    assert "without labels" not in "".join(caption_lines(read_run(folder)))
    images = {"count": 2, "sha256": "0"}
    split = {"source": "x", "train": ["a"], "val": ["b"], "test": ["c"]}
    data = {"name": "x", "classes": {}, "split": split, "images": {}}
    RunData.parse({**data, "unlabelled": images}, where="x").write(folder / "data.json")
    assert (
        "The student also learned from 2 images without labels, on which only its "
        "teacher counts." in caption_lines(read_run(folder))
    )


def test_what_files_give_is_said_where_it_is_not_logits(run_folder: Builder) -> None:
    records = read_run(run_folder())
    assert "they give" not in "\n".join(caption_lines(records))

    def lines(**outputs: str) -> str:
        given = [
            each.model_copy(update={"output": outputs.get(each.role, "logits")})
            for each in records.measurements
        ]
        return "\n".join(caption_lines(replace(records, measurements=tuple(given))))

    some = lines(student="classes")
    assert "student-float, student-int8, student-onnx: they give the class" in some
    assert "their latency includes the search for it" in some
    every = lines(**dict.fromkeys(Role, "probabilities"))
    assert "All files: they give probabilities, and their latency includes" in every
