"""Calls without a Task about organizations, people, vDCs and what is the provider's."""
