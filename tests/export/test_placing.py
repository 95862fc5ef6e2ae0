"""Finished files in their places."""

import errno

import pytest

from segshrink.export.placing import place


def test_one_file_replaces_another(tmp_path):
    written, path = tmp_path / "new.onnx", tmp_path / "deep" / "m.onnx"
    written.write_bytes(b"new")
    path.parent.mkdir()
    path.write_bytes(b"old")
    place(written, path)
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["m.onnx"]


@pytest.fixture
def pairs(tmp_path):
    """A new OpenVINO model, and an old one in the place where it belongs."""
    written, path = tmp_path / "new.xml", tmp_path / "m.xml"
    for suffix in (".xml", ".bin"):
        written.with_suffix(suffix).write_text(f"new {suffix}")
        path.with_suffix(suffix).write_text("old")
    return written, path


def test_the_weights_of_an_openvino_model_come_first(pairs, monkeypatch):
    written, path = pairs
    replaced = []

    def replace(partial, target):
        # No graph lies beside weights that are not its own.
        assert not path.exists()
        replaced.append(target.suffix)
        partial.rename(target)

    monkeypatch.setattr("os.replace", replace)
    place(written, path)
    assert replaced == [".bin", ".xml"]
    assert path.read_text() == "new .xml"
    assert path.with_suffix(".bin").read_text() == "new .bin"


@pytest.mark.parametrize("full_at", [".xml", ".bin"])
def test_a_full_disk_leaves_the_old_openvino_model(pairs, monkeypatch, full_at):
    written, path = pairs

    def copy(source, partial):
        if source.suffix == full_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        partial.write_text(source.read_text())

    monkeypatch.setattr("shutil.copyfile", copy)
    with pytest.raises(OSError, match="No space left"):
        place(written, path)
    for suffix in (".xml", ".bin"):
        assert path.with_suffix(suffix).read_text() == "old"
    assert len(list(path.parent.iterdir())) == 4
