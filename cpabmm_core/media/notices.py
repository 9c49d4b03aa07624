"""Notices about files that were read, but not as they are stored (`cpabmm_core.notices`)."""

from cpabmm_core.notices import distinct_notices, notify, rename_in_notices, show_notices

__all__ = ["distinct_notices", "notify", "rename_in_notices", "show_notices"]
