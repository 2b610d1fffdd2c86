"""Every setting of the bridge: what may be set, where it comes from, and what is wrong with it. Reads, never acts."""

from __future__ import annotations

from bridge.settings.loading import DEFAULT_FILE, LoadedSettings, load
from bridge.settings.origin import Effective, Origin
from bridge.settings.sections import Settings

__all__ = ["DEFAULT_FILE", "Effective", "LoadedSettings", "Origin", "Settings", "load"]
