"""Tests of cpabmm.

A package, so that `python -m tests.benchmarks` does not find another package of that name.
"""
