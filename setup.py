"""The one compiled part; everything else about the package is in `pyproject.toml`."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        # optional: without a C compiler the package installs all the same, see docs/decisions/forecasting.md
        Extension("forecasting.walk", ["forecasting/walk.c"], extra_compile_args=["-O3", "-ffp-contract=off"], optional=True)
    ]
)
