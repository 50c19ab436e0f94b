"""One forecaster per file; the file is the registration."""
