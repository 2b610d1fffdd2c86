"""The command line ``vcd-bridge VERB``: data on standard output, logs and progress on standard error.

Exit codes: 0 done; 1 the asked-for thing did not succeed; 2 usage or configuration; 3 differs; 70 bug; 75 temporary;
130 interrupted. Verbs import what they need when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations
