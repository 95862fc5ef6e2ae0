"""Names of a package that are imported when they are first asked for."""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, module_of: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], Iterable[str]]]:
    """The functions `__getattr__` and `__dir__` of a package (PEP 562).

    What a package offers may need Keras, which takes seconds to import, or an extra
    that is not installed; who asks for another name is to notice neither.

    Args:
        package: its name.
        module_of: for each name, the full name of the module that defines it.
    """

    def of_name(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(module_of[name]), name)
        # Asked for once, a name is as any other.
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return of_name, names
