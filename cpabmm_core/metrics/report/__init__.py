"""The report: metric values and videos as a self-contained HTML page."""

from cpabmm_core.metrics.report.page import write_report

__all__ = ["write_report"]
