"""The one loop that decides: rounds of decisions, each committed whole."""
