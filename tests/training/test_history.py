import pytest

from segshrink.training.history import write_history


def test_one_line_an_epoch_and_empty_where_not_validated(tmp_path):
    rows = [
        {"epoch": 1, "loss": 0.5, "val_miou": None, "seconds": 1.25},
        {"epoch": 2, "loss": 0.25, "val_miou": 1 / 3, "seconds": 1.0},
    ]
    write_history(tmp_path, rows)
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,loss,val_miou,seconds\n1,0.5,,1.25\n2,0.25,0.3333333333333333,1.0\n"
    )


def test_rows_must_have_the_same_columns(tmp_path):
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_history(tmp_path, [{"epoch": 1}, {"epoch": 2, "dice": 0.1}])
    assert list(tmp_path.iterdir()) == []
