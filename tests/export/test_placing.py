"""Finished files in their places."""

from segshrink.export.placing import place


def test_one_file_replaces_another(tmp_path):
    written, path = tmp_path / "new.onnx", tmp_path / "deep" / "m.onnx"
    written.write_bytes(b"new")
    path.parent.mkdir()
    path.write_bytes(b"old")
    place(written, path)
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["m.onnx"]


def test_the_weights_of_an_openvino_model_come_first(tmp_path, monkeypatch):
    written, path = tmp_path / "new.xml", tmp_path / "m.xml"
    for suffix in (".xml", ".bin"):
        written.with_suffix(suffix).write_text(f"new {suffix}")
        path.with_suffix(suffix).write_text("old")
    copied = []

    def copy(source, partial):
        # No graph lies beside weights that are not its own.
        assert not path.exists()
        copied.append(source.suffix)
        partial.write_text(source.read_text())

    monkeypatch.setattr("shutil.copyfile", copy)
    place(written, path)
    assert copied == [".bin", ".xml"]
    assert path.read_text() == "new .xml"
    assert path.with_suffix(".bin").read_text() == "new .bin"
