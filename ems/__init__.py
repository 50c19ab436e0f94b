"""The application: command line, one cycle, runs, historian, models, evidence."""
