"""The rows of history.csv."""

from segshrink.training.history import write_history


def test_one_line_per_epoch_and_empty_where_not_validated(tmp_path):
    rows = [
        {"epoch": 1, "loss": 0.5, "val_miou": None, "seconds": 1.25},
        {"epoch": 2, "loss": 0.25, "val_miou": 1 / 3, "seconds": 1.0},
    ]
    write_history(tmp_path, rows)
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,loss,val_miou,seconds\n1,0.5,,1.25\n2,0.25,0.3333333333333333,1.0\n"
    )


def test_a_column_that_a_row_lacks_is_an_empty_cell(tmp_path):
    rows = [
        {"epoch": 1, "val_miou": 0.5, "gone": 7.0},
        {"epoch": 2, "val_loss": 1.5, "val_miou": 0.25},
    ]
    write_history(tmp_path, rows)
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,val_loss,val_miou,gone\n1,,0.5,7.0\n2,1.5,0.25,\n"
    )
