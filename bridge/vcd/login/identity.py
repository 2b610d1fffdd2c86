"""Which credential the settings name."""

from __future__ import annotations

from collections.abc import Callable

from bridge.vcd.config import VcdConfig
from bridge.vcd.login.credentials import ApiTokenCredential, Credential, PasswordCredential
from bridge.vcd.login.service_account import ServiceAccountCredential
from bridge.vcd.login.token_file import TokenFile


def credential_of(config: VcdConfig, reach: Callable[[str], None] | None = None) -> Credential:
    """``reach``: see :class:`ServiceAccountCredential`."""
    if config.service_account_token_file is not None:
        file = TokenFile(config.service_account_token_file)
        if reach is None:
            return ServiceAccountCredential(file, config.organization)
        return ServiceAccountCredential(file, config.organization, reach)
    if config.api_token is not None:
        return ApiTokenCredential(config.api_token, config.organization)
    return PasswordCredential(config.username or "", config.password or "", config.organization)
