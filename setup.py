"""The compiled parts; everything else about the package is in `pyproject.toml`."""

from setuptools import Extension, setup

# Each is optional: without a C compiler the package installs all the same and does the same in NumPy, bit for bit, see
# docs/decisions/compiled-where-a-compiler-is.md. No contraction: a product and a sum stay two roundings.
COMPILED = (
    "forecasting.walk",
    "twin_sim.batteries",
    "twin_sim.draws",
    "twin_sim.orders",
    "twin_sim.recall",
    "twin_sim.rounds",
    "twin_sim.ticks",
)

setup(
    ext_modules=[
        Extension(
            name,
            [f"{name.replace('.', '/')}.c"],
            depends=["twin_sim/held.h"],
            extra_compile_args=["-O3", "-ffp-contract=off"],
            optional=True,
        )
        for name in COMPILED
    ]
)
