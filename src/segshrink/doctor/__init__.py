"""What this machine and its packages can do; nothing here fails if something lacks."""

from segshrink.doctor.examining import examine

__all__ = ["examine"]
