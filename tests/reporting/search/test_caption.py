from typing import Any

from segshrink.reporting.search.caption import note_lines, settings, warning_lines

from .search_folder import only, read_record, small_search, unmeasured


def notes(record: dict[str, Any]) -> str:
    return " ".join(note_lines(read_record(record)))


def test_the_notes_are_honest() -> None:
    text = notes(small_search())
    assert "exported file on the validation part of aerial" in text
    assert "the figures of the best of 4 are optimistic" in text
    assert "segshrink compress --recipe best.yaml shows" in text
    assert "trained once, with seed 0: small differences may be chance" in text
    assert "In brackets: what a trial that was stopped early had" in text


def test_without_a_test_part_none_is_named() -> None:
    record = small_search()
    record["data"]["split"]["test"] = []
    text = notes(record)
    assert "optimistic" in text and "test part" not in text


def test_what_does_not_apply_is_not_noted() -> None:
    text = notes(only(small_search(of="teacher"), 6))
    assert "that of the model on the validation part" in text
    assert "best.yaml" not in text and "In brackets" not in text
    assert "latency" not in text
    assert notes(only(small_search())) == ""


def test_of_a_front_any_recipe_may_be_taken() -> None:
    text = notes(small_search(objective="front", best=None))
    assert "--recipe artifacts/trial-NUMBER.yaml" in text


def test_nothing_to_doubt_is_no_warning() -> None:
    assert warning_lines(read_record(small_search())) == ()


def test_warnings() -> None:
    failed = [unmeasured(number, "failed", "no memory") for number in (7, 8)]
    record = only(small_search(), 2, 6)
    record["trials"] += failed
    record["data"]["split"]["leaking"] = True
    lines = warning_lines(read_record(record))
    assert [line.partition(" ")[0] for line in lines] == ["Leaking", "No", "3"]
    assert "within the limits of 5.00 ms and 200 kB" in lines[1]
    assert lines[2] == "3 of 4 trials failed; the table says why."
    [line] = warning_lines(read_record(only(small_search(), 3)))
    assert line.startswith("No trial ran to the end")


def test_facts_say_how_it_was_searched() -> None:
    assert settings(read_record(small_search())) == {
        "Searched": "most mIoU of a student",
        "Limits": "5.00 ms and 200 kB",
        "Trials": "7",
        "Sampler": "tpe",
        "Scheduler": "hyperband",
        "Seed": "0",
        "Data": "aerial",
        "Split source": "file by_tile.json",
        "Training scenes": "Tile 1, Tile 4",
        "Validation scenes": "Tile 3",
        "Test scenes": "Tile 2, Tile 5 (unseen)",
        "Machine": "Example Processor 3000, 2 cores, Linux x86_64",
        "Workers": "2, timed with 1 thread",
        "Time": "1 min 20 s",
        "Time in trials": "2 min 28 s",
        "Outside of trials": "7.5 % of the workers' time",
        "Runtime": "LiteRT 2.1.0",
        "Backend": "tensorflow",
        "Python": "3.11.9",
        "segshrink": "0.1.0",
    }


def test_unknown_facts_are_left_out() -> None:
    record = only(small_search(limits={}, runtime=None, threads=None, seed=None), 0)
    known = settings(read_record(record))
    assert known["Limits"] == "none" and known["Trials"] == "1 of 7"
    assert known["Workers"] == "2"
    assert not {"Runtime", "Seed", "Tile size"} & set(known)
