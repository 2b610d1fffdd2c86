"""Who is let in: sessions, API tokens, service accounts, versions."""
