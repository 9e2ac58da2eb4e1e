"""Live analysis of 4D-STEM while the microscope is scanning."""

__version__ = "0.1.0"
