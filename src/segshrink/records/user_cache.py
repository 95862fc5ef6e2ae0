"""The folder for what only saves time, which may be deleted whenever one likes."""

import os
import sys
from pathlib import Path


def user_cache() -> Path:
    """Folder of segshrink in the user's cache directory, as the system defines it."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "segshrink"
