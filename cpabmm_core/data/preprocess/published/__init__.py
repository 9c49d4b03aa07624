"""The published data sets TaiChi, VoxCeleb and TED-talks, cut as their tables specify."""
