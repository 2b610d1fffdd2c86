"""Tasks over HTTP: read, canceled, external ones, blocking ones, what a provider sets about them."""
