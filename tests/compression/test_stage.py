import pytest

from segshrink.compression.stage import run_stage


def test_stage_with_a_record_is_not_run_again(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder)
        (folder / "checkpoint").mkdir(parents=True)
        return {"kind": "teacher", "epochs": 3}

    first = run_stage(tmp_path / "stage", make)
    assert run_stage(tmp_path / "stage", make) == first == {
        "kind": "teacher", "epochs": 3
    }  # fmt: skip
    assert calls == [tmp_path / "stage"]
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["record.json"]


def test_stage_that_fails_leaves_no_record_and_runs_again(tmp_path):
    def fail(folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, fail)
    assert list(tmp_path.iterdir()) == []
    assert run_stage(tmp_path, lambda folder: {"seed": 1}) == {"seed": 1}
