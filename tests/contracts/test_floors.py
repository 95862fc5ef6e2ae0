"""The house: each floor imports from floors below it only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import segshrink
from segshrink.formats import Format

SOURCE = Path(segshrink.__file__).parent

# From the ground up. Rooms of one floor do not know each other.
FLOORS = [
    {
        "_version",
        "errors",
        "formats",
        "lazy",
        "progress",
        "quiet",
        "reading",
        "records",
        "recipe",
        "text_table",
    },
    {"data"},
    {"metrics", "models", "objectives"},
    {"training", "distillation", "quantization"},
    {"export"},
    {"runtimes"},
    {"measuring", "web"},
    # A latency is only known of a file that was made and timed.
    {"pruning"},
    {"reporting"},
    {"prediction", "compression"},
    {"search", "doctor"},
    {"cli"},
    {"api", "__main__"},
]
# A distilled fit is a fit, and one for int8 a distilled one; the modules of the ground
# floor may use each other.
NEIGHBOURS = [
    {
        ("distillation", "training"),
        ("quantization", "training"),
        ("quantization", "distillation"),
    },
    {(a, b) for a in FLOORS[0] for b in FLOORS[0]},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


# The same inside compression/: a run folder below, the whole run on top.
FLOORS_OF_COMPRESSION = [
    {
        "input_range",
        "output",
        "part_sizes",
        "plan_check",
        "run_folder",
        "stage",
        "time_left",
    },
    {"data"},
    {"context", "given_model", "metadata", "run_data"},
    {"accuracy_control", "any_teacher", "student"},
    {"baselines", "exporting", "teacher"},
    {"browser", "forecast", "measuring"},
    {"pipeline"},
]
_COMPRESSION = "segshrink.compression."
LEVEL_IN_COMPRESSION = {
    name: level for level, names in enumerate(FLOORS_OF_COMPRESSION) for name in names
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports_of(path: Path, *, when_imported: bool = False) -> set[str]:
    """Modules that a file imports, absolute; also inside functions, or not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _at_import(tree) if when_imported else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {_module_or_member(node.module, a.name) for a in node.names}
    return found


def _at_import(tree):
    """Nodes outside functions and outside `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not (isinstance(node, ast.FunctionDef) or checking):
            yield node
            yield from _at_import(node)


def _module_or_member(module: str, name: str) -> str:
    return f"{module}.{name}" if f"{module}.{name}" in MODULES else module


def room_of(module: str) -> str | None:
    """`data` for `segshrink.data.tiles`; None for other packages and the front door."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] or None if package == "segshrink" else None


def test_every_room_has_its_floor():
    rooms = {room_of(module) for module in MODULES} - {None}
    assert rooms == set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_imports_lead_down(module):
    room = room_of(module)
    if room is None:
        return  # the front door, see below
    for imported in map(room_of, imports_of(MODULES[module])):
        if imported in (None, room):
            continue
        neighbours = any((room, imported) in pairs for pairs in NEIGHBOURS)
        assert LEVEL[imported] < LEVEL[room] or neighbours, (
            f"{module} of {room} imports from {imported}"
        )


def module_of_compression(module: str) -> str | None:
    """`stage` for `segshrink.compression.stage`; None for all others."""
    return (
        module.removeprefix(_COMPRESSION) if module.startswith(_COMPRESSION) else None
    )


def test_every_module_of_compression_has_its_floor():
    modules = {module_of_compression(module) for module in MODULES} - {None}
    assert modules == set(LEVEL_IN_COMPRESSION)


@pytest.mark.parametrize("module", sorted(LEVEL_IN_COMPRESSION))
def test_imports_lead_down_inside_compression(module):
    imported = imports_of(MODULES[_COMPRESSION + module])
    for other in filter(None, map(module_of_compression, imported)):
        assert LEVEL_IN_COMPRESSION[other] < LEVEL_IN_COMPRESSION[module], (
            f"compression.{module} imports from compression.{other}"
        )


def test_the_front_door_imports_nothing_at_once():
    assert imports_of(MODULES["segshrink"], when_imported=True) == {
        "typing",
        "segshrink._version",
        "segshrink.lazy",
    }


def test_no_import_cycles():
    """Modules can be ordered by their imports, those inside functions included."""
    waiting = {
        module: {
            name
            for name in imports_of(path)
            if name in MODULES and name not in ("segshrink", module)
        }
        for module, path in MODULES.items()
    }
    while waiting:
        free = {module for module, needed in waiting.items() if not needed}
        assert free, f"these import each other: {sorted(waiting)}"
        waiting = {
            module: needed - free
            for module, needed in waiting.items()
            if module not in free
        }


@pytest.mark.parametrize(
    "room",
    [
        "data",
        "records",
        "recipe",
        "errors",
        "progress",
        "reporting",
    ],
)
def test_no_network_library_is_named(room):
    for module, path in MODULES.items():
        if room_of(module) == room:
            packages = {name.partition(".")[0] for name in imports_of(path)}
            assert not packages & HEAVY, module


HEAVY = {"keras", "tensorflow", "jax", "torch"}
HEAVY |= {each.runtime_module.partition(".")[0] for each in Format}


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (
            "data data.synthetic records recipe search.space errors progress quiet "
            "formats reporting compression.run_folder",
            HEAVY,
        ),
        ("cli cli.app", {*HEAVY, "pydantic", "numpy", "yaml", "matplotlib"}),
    ],
)
def test_what_an_import_pulls_in(modules, absent):
    names = [f"segshrink.{name}" for name in modules.split()]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert set(names) <= loaded
    assert not loaded & absent
