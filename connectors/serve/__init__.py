"""Any Plant put on a wire, one wire per file."""
