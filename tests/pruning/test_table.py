from segshrink.pruning import plan_pruning

from .networks import small_unet


def test_the_plan_reads_as_aligned_columns():
    lines = str(plan_pruning(small_unet(), keep=0.5)).splitlines()
    assert lines[0] == "Pruning plan for small_unet"
    assert lines[1].startswith("parameters ") and lines[2].startswith("MACs ")
    assert lines[5].split()[:3] == ["prunable", "channels", "kept"]
    assert lines[7].split()[:4] == ["bottom_conv,", "inner_conv", "32", "16"]
    assert "  bottom_conv, inner_conv" in lines
    assert lines[-1] == "logits            3  model output"
