"""JSON files that say what was done and measured; reports only read them."""

from segshrink.records.files import (
    atomic_write,
    exclusive_folder,
    gzipped_size_bytes,
    is_special,
    locked,
    model_files,
    model_sha256,
    read_json,
    sha256_of,
    write_json,
    write_text,
)
from segshrink.records.machine import this_machine, usable_cores

__all__ = [
    "atomic_write",
    "exclusive_folder",
    "gzipped_size_bytes",
    "is_special",
    "locked",
    "model_files",
    "model_sha256",
    "read_json",
    "sha256_of",
    "this_machine",
    "usable_cores",
    "write_json",
    "write_text",
]
