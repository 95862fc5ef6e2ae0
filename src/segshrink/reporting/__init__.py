"""Reports: they read the records of a run folder, and nothing else."""

from segshrink.reporting.report import markdown_table, summary_table, write_report
from segshrink.reporting.run_records import read_run

__all__ = ["markdown_table", "read_run", "summary_table", "write_report"]
