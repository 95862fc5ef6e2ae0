"""Procedural city scenes from above, with exact labels, for demos and tests."""

from segshrink.data.synthetic.scene import CLASSES, generate_scene

__all__ = ["CLASSES", "generate_scene"]
