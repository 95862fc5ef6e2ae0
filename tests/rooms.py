"""Which files of tests are slow, and why: the markers of pyproject.toml by path.

`make test` skips these, except the one end-to-end run that is marked `smoke`. A
single slow test of a quick file is marked where it stands.
"""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent

SLOW = {
    "export": [
        "compression/test_accuracy_control.py",
        "compression/test_any_teacher.py",
        "contracts/test_exports.py",
        "contracts/test_runtimes.py",
        "export",
        "measuring/test_memory.py",
        "pruning/budgets/test_budgets.py",
        "pruning/budgets/test_latency.py",
        "pruning/test_segmentation_networks.py",
        "quantization/test_fake_quantization.py",
        "runtimes/test_loading.py",
        "runtimes/test_trial.py",
        "web/test_page.py",
    ],
    "training": [
        "compression/test_baselines.py",
        "compression/test_pipeline.py",
        "compression/test_student.py",
        "data/test_patch_training.py",
        "distillation/test_comparison.py",
        "distillation/test_distill.py",
        "distillation/test_distiller.py",
        "distillation/test_distiller_losses.py",
        "distillation/test_distiller_weights.py",
        "distillation/test_teacher_cache_damage.py",
        "pruning/test_magnitude.py",
        "quantization/test_training.py",
        "training/test_batch_size.py",
        "training/test_compiled_programs.py",
        "training/test_epochs.py",
        "training/test_first_step.py",
        "training/test_fit.py",
        "training/test_on_device.py",
        "training/test_precision.py",
        "training/test_resuming.py",
        "training/test_train.py",
        "training/test_validation.py",
    ],
    "backends": ["distillation/test_distiller_backends.py"],
    "e2e": ["docs/test_site.py", "e2e", "fuzz", "web/test_in_browser.py"],
}


def mark(items: list[pytest.Item]) -> None:
    """Mark the tests of the slow files, and put those that take minutes first.

    A worker that begins with them late would keep the others waiting for it.
    """
    marks = {_TESTS / path: name for name, paths in SLOW.items() for path in paths}
    for item in items:
        for place in (item.path, *item.path.parents):
            if place in marks:
                item.add_marker(marks[place])
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
