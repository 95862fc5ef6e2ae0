import gzip
import hashlib
import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.errors import RunFolderError
from segshrink.records import (
    atomic_write,
    exclusive_folder,
    gzipped_size_bytes,
    locked,
    model_files,
    model_sha256,
    read_json,
    sha256_of,
    write_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
).filter(lambda record: "Infinity" not in json.dumps(record))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@given(record=JSON)
def test_reads_what_was_written(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("records") / "record.json"
    write_json(path, record)
    assert read_json(path) == record


def test_writes_readable_utf8_in_folders_that_it_makes(tmp_path):
    path = tmp_path / "a" / "b" / "record.json"
    write_json(path, {"name": "Wiesbadener Straße"})
    assert path.read_bytes() == '{\n  "name": "Wiesbadener Straße"\n}\n'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_nan_is_refused_and_the_old_record_stays(tmp_path, value):
    path = tmp_path / "record.json"
    write_json(path, {"miou": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"miou": value})
    assert read_json(path) == {"miou": 0.5}


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")
    with pytest.raises(KeyError), atomic_write(path) as partial:
        partial.write_text("half of the n")
        raise KeyError
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["model.keras"]


def test_a_block_that_writes_nothing_leaves_the_old_file(tmp_path):
    file, folder = tmp_path / "a.json", tmp_path / "samples"
    file.write_text("old")
    (folder / "00").mkdir(parents=True)
    for path in (file, folder):
        with pytest.raises(FileNotFoundError), atomic_write(path):
            pass
    assert names_in(tmp_path) == ["a.json", "samples"]
    assert names_in(folder) == ["00"]


def test_the_old_file_is_there_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with atomic_write(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == path.parent
        assert partial.suffix == path.suffix
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("as_folder", [False, True])
def test_remains_of_a_killed_process_are_removed(tmp_path, as_folder):
    path = tmp_path / "report"
    with atomic_write(path) as partial:
        name = partial.name
        partial.write_text("")
    path.unlink()
    left = tmp_path / name
    if as_folder:
        left.mkdir()
        (left / "half").write_text("")
    else:
        left.write_text("half")
    with atomic_write(path) as partial:
        assert not partial.exists()
        partial.mkdir()
        (partial / "index.html").write_text("whole")
    assert names_in(tmp_path) == ["report"]
    assert names_in(path) == ["index.html"]


def test_a_folder_replaces_a_folder_whole(tmp_path):
    path = tmp_path / "samples"
    (path / "old").mkdir(parents=True)
    with atomic_write(path) as partial:
        partial.mkdir()
        (partial / "new").write_text("")
    assert names_in(path) == ["new"]


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "other" / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="A device or a pipe, not a file") as caught:
        write_text(tmp_path / "pipe", "new")
    assert caught.value.filename == str(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_missing_record(tmp_path):
    path = tmp_path / "record.json"
    with pytest.raises(RunFolderError) as caught:
        read_json(path)
    assert str(caught.value) == f"{path}: this record is missing. Run its stage."


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe", None])
def test_an_unreadable_record(tmp_path, content):
    path = tmp_path / "record.json"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(RunFolderError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: not a readable record (")
    assert str(caught.value).endswith(" Delete it and run its stage again.")


def test_sizes_and_digest(tmp_path):
    path = tmp_path / "model.tflite"
    content = os.urandom(1000) + bytes(100_000)
    path.write_bytes(content)
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()
    size = gzipped_size_bytes(path)
    assert 1000 < size < 2000
    assert size == len(gzip.compress(content, 9, mtime=12345))


def test_the_error_of_a_full_disk_names_the_file(tmp_path, small_disk):
    disk = small_disk(4096)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_text(disk / "a.txt", "text" * 10_000)
    assert caught.value.filename == str(disk / "a.txt")
    assert names_in(disk) == []
    with pytest.raises(OSError, match="^broken pipe of a library$") as caught:
        with atomic_write(tmp_path / "b.txt"):
            raise OSError("broken pipe of a library")
    assert caught.value.filename is None


def test_only_one_process_holds_a_folder(tmp_path):
    other = (
        "import sys; from pathlib import Path\n"
        "from segshrink.records import exclusive_folder\n"
        "with exclusive_folder(Path(sys.argv[1])): print('held')"
    )
    command = [sys.executable, "-c", other, str(tmp_path)]
    with exclusive_folder(tmp_path):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another process works in this folder" in done.stderr
    assert not done.stdout
    assert subprocess.check_output(command, text=True) == "held\n"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process(tmp_path):
    holder = (
        "import sys; from pathlib import Path\n"
        "from segshrink.records import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "a.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    with locked(path, wait=False) as is_held:
        assert not is_held
    process.kill()
    process.communicate()
    with locked(path, wait=False) as is_held:
        assert is_held


def test_the_lock_of_a_killed_process_does_not_block_a_folder(tmp_path):
    holder = (
        "import sys; from pathlib import Path\n"
        "from segshrink.records import exclusive_folder\n"
        "with exclusive_folder(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate()
    assert (tmp_path / ".lock").is_file()
    with exclusive_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_weights_beside_an_onnx_file_belong_to_it(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(x, float32, (1, 4)) for x in "xy"]
    node = helper.make_node("Add", ["x", "w"], ["y"])
    path, digests = tmp_path / "m.onnx", set()
    for value in (1.0, 2.0):
        weights = onnx.numpy_helper.from_array(np.full((1, 4), value, np.float32), "w")
        graph = helper.make_graph([node], "g", ends[:1], ends[1:], [weights])
        model = helper.make_model(graph, ir_version=9)
        onnx.save(
            model, str(path), save_as_external_data=True, location="m.onnx.data",
            size_threshold=0,
        )  # fmt: skip
        assert model_files(path) == [path, tmp_path / "m.onnx.data"]
        digests.add(model_sha256(path))
        (tmp_path / "m.onnx.data").rename(tmp_path / "elsewhere")
        assert model_files(path) == [path]
    assert len(digests) == 2
