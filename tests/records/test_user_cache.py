"""The folder that only saves time."""

import pytest

from segshrink.records import user_cache as user_cache_module


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".cache"),
        ("darwin", "Library/Caches"),
        ("win32", "AppData/Local"),
    ],
)
def test_the_cache_directory_is_that_of_the_system(
    monkeypatch, tmp_path, platform, expected
):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(user_cache_module.sys, "platform", platform)
    monkeypatch.setattr(user_cache_module.Path, "home", lambda: tmp_path)
    assert user_cache_module.user_cache() == tmp_path / expected / "segshrink"
