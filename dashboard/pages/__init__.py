"""One page per file; the file is the registration."""
