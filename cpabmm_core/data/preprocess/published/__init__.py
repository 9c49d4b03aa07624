"""Cutting the published data sets TaiChi, VoxCeleb and TED-talks out of their videos."""
