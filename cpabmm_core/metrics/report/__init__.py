"""The report: what was measured, as one page that needs nothing beside it."""

from cpabmm_core.metrics.report.page import write_report

__all__ = ["write_report"]
