"""Files and streams to frames with timestamps and sound, and back."""
