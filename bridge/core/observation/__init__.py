"""Observation: the Tasks of an organization, whoever started them, told as a stream. Pure."""
