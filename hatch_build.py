"""The README as a package index shows it: what it links to lies in the repository."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# An inline link or picture of Markdown, but not what is complete or on the same page.
_RELATIVE = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z+]+:|#|/)([^)\s]+)\)")


def with_absolute_links(text: str, repository: str) -> str:
    """Markdown whose relative links lead into a repository.

    Args:
        text: Markdown whose links are relative to the root of the repository.
        repository: address of the repository, without a slash at its end.
    """

    def absolute(link: re.Match[str]) -> str:
        mark, label, path = link.groups()
        kind = "raw" if mark else "blob"
        return f"{mark}{label}({repository}/{kind}/main/{path})"

    return _RELATIVE.sub(absolute, text)


class ReadmeHook(MetadataHookInterface):
    """Gives the package the README, its links made absolute."""

    def update(self, metadata: dict) -> None:
        """Set the field `readme` of the project's metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_absolute_links(text, metadata["urls"]["Homepage"]),
        }
