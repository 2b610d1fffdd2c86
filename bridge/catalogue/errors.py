"""What is wrong with the catalogue's data file."""

from __future__ import annotations


class CatalogueError(ValueError):
    """The data file contradicts itself. The message names every operation and field at fault."""
