"""The commands, one module each; heavy modules are imported inside the functions."""
