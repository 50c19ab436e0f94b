"""A Plant over a wire, one kind per file; the names of `connection.kind` in a site file."""
