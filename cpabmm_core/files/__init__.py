"""What is about files on disk: checks, output that is whole or absent, digests, downloads."""
