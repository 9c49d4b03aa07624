"""The command line of cpabmm: it parses, calls `cpabmm_core` and prints."""
