"""Abilities of this machine and its packages; nothing here fails if one lacks."""

from segshrink.doctor.examining import examine

__all__ = ["examine"]
