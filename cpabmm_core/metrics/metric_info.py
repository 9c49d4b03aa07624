"""The metrics of a result: key, title, direction, digits and unit of each."""

from typing import Literal, NamedTuple


class MetricInfo(NamedTuple):
    """How one metric is named, ranked and printed.

    Example:
        >>> [metric.title for metric in METRICS if metric.better == "higher"]
        ['PSNR', 'SSIM']
    """

    key: str
    """Its key in JSON documents and CSV files."""
    title: str
    """Its name in tables."""
    better: Literal["lower", "higher"]
    """The direction of improvement."""
    digits: int
    """Decimal places in tables."""
    unit: str = ""
    """Unit of its values; empty for a metric without one."""


METRICS: tuple[MetricInfo, ...] = (
    MetricInfo("l1", "L1", "lower", 5),
    MetricInfo("l1_videos", "L1 (videos)", "lower", 5),
    MetricInfo("psnr", "PSNR", "higher", 3, "dB"),
    MetricInfo("ssim", "SSIM", "higher", 5),
    MetricInfo("akd", "AKD", "lower", 3, "px"),
    MetricInfo("mkr", "MKR", "lower", 4),
    MetricInfo("aed", "AED", "lower", 5),
    MetricInfo("lpips", "LPIPS", "lower", 5),
    MetricInfo("fid", "FID", "lower", 3),
    MetricInfo("fvd", "FVD", "lower", 2),
)
"""All metrics, in the order of a table's columns."""
