"""Forecasts with honest bands."""
