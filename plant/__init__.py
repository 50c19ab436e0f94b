"""The words everybody uses: records and doors. Standard library and NumPy only."""
