"""Plants over wires."""
