"""Asset kinds: the file is the registration."""
