"""Raw videos: finding clips of a subject, cutting them out and splitting them by identity."""
