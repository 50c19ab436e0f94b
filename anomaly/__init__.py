"""Health of machines."""
