"""The report of a run: one self-contained HTML page, and the picture for the README."""

from gpjepa.report.page import render

__all__ = ["render"]
