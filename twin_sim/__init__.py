"""The twin: a plant whose time is SimPy's."""
