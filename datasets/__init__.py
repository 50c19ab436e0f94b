"""The frame (a table of time series) and where to get one."""
