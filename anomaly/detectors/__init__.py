"""Detectors, one file per kind."""
