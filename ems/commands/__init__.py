"""The commands of `ems`, one file per topic."""
