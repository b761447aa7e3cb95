"""Ratios of one run on one machine: the service against a bare receive loop, the writer against a bare COPY.

Each file that can be run has its own page of options: ``python -m benchmarks.load --help``. Nothing here is imported by
the package.
"""
