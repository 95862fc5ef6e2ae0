"""A record: a class that is written to JSON and read back by itself."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from segshrink.errors import RunFolderError, fault_lines
from segshrink.records.files import read_json, write_json


class Record(BaseModel):
    """Base of all records: frozen, checked when made and when read.

    A subclass declares its fields with types and ranges, and a default for each field
    that was not always written, so that old files stay readable. Fields of newer
    versions are ignored.

    Example:
        ```python
        class Size(Record):
            size_bytes: int

        Size(size_bytes=3).write(path)
        Size.read(path).size_bytes
        ```
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one record from a JSON file.

        Raises:
            RunFolderError: if the file is missing, is not JSON, or does not have the
                shape of this record.
        """
        return cls.parse(read_json(path), where=path)

    @classmethod
    def parse(cls, plain: Any, *, where: Path | str) -> Self:
        """Check plain data, as JSON holds it, and return the record.

        Args:
            plain: what was read.
            where: file or place that the message names.

        Raises:
            RunFolderError: if `plain` does not have the shape of this record.
        """
        try:
            return cls.model_validate(plain)
        except ValidationError as error:
            faults = "; ".join(fault_lines(error))
            raise RunFolderError(
                f"{where}: not a record of the known shape ({faults}). Delete "
                "it and run its stage again."
            ) from error

    def write(self, path: Path) -> None:
        """Write as indented JSON, whole or not at all; NaN is refused."""
        write_json(path, self.as_plain())

    def as_plain(self) -> dict[str, Any]:
        """This record as plain data, as JSON holds it."""
        return self.model_dump(mode="json", by_alias=True)


class SparseRecord(Record):
    """A record that is written without the fields that it was not given.

    The record of a whole file decides this for all records inside it.
    """

    def as_plain(self) -> dict[str, Any]:
        """This record as plain data, without the fields that were not given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
