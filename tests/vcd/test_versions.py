"""Which API version is chosen."""

from __future__ import annotations

import pytest

from bridge.errors import ConfigurationError
from bridge.vcd.documents.documents import UnreadableBody
from bridge.vcd.login.versions import OfferedVersion, choose_version, read_versions, version_key


def document(*entries: str) -> bytes:
    xmlns = 'xmlns="http://www.vmware.com/vcloud/versions" xmlns:ns2="http://www.vmware.com/vcloud/v1.5"'
    inside = "".join(entries)
    return f'<?xml version="1.0" encoding="UTF-8"?><SupportedVersions {xmlns}>{inside}</SupportedVersions>'.encode()


def info(version: str, deprecated: str | None = "false", name: str = "VersionInfo") -> str:
    attribute = "" if deprecated is None else f' deprecated="{deprecated}"'
    login = "<LoginUrl>https://Public.example:8443/cloudapi/1.0.0/sessions</LoginUrl>"
    return f"<{name}{attribute}><Version>{version}</Version>{login}</{name}>"


def offered(*versions: str, deprecated: tuple[str, ...] = ()) -> tuple[OfferedVersion, ...]:
    return tuple(OfferedVersion(version, version in deprecated, None) for version in versions)


def test_deprecated_is_an_attribute_and_alpha_versions_do_not_count() -> None:
    found = read_versions(
        document(
            info("36.0", "true"), info("38.0", None), info("39.1"),
            info("40.0.0-alpha-1577836800", name="AlphaVersion"), info("40.0.0-alpha"),
        )
    )  # fmt: skip
    assert list(map(str, found)) == [
        "36.0 (deprecated)", "38.0", "39.1", "40.0.0-alpha-1577836800 (alpha)", "40.0.0-alpha (alpha)",
    ]  # fmt: skip
    assert {one.login_host for one in found} == {"public.example:8443"}


@pytest.mark.parametrize(
    ("found", "maximum", "chosen"),
    [
        (offered("9.0", "37.3", "38.1", "39.1", "40.0"), "39.1", "39.1"),
        (offered("9.0", "38.2", "38.10"), "39.1", "38.10"),  # numbers, not text
        (offered("38.1", "39.1", deprecated=("39.1",)), "39.1", "38.1"),
        (offered("37.3", "38.1", "39.1"), "38.0", "37.3"),
        (offered("38.1", "39.1", "40.0", deprecated=("38.1", "39.1")), "39.1", "39.1"),  # a VCD newer than the bridge
    ],
)
def test_the_highest_that_is_known_one_not_deprecated_before_others(
    found: tuple[OfferedVersion, ...], maximum: str, chosen: str
) -> None:
    assert choose_version(found, "33.0", maximum).version == chosen


@pytest.mark.parametrize(
    ("found", "minimum", "maximum"),
    [
        (offered("40.0", "40.1"), "33.0", "39.1"),
        (offered("27.0", "31.0"), "33.0", "39.1"),
        ((OfferedVersion("38.0.0-alpha", deprecated=False, login_host=None, alpha=True),), "33.0", "39.1"),
        ((), "33.0", "39.1"),
    ],
)
def test_none_that_fits_is_a_configuration_error_that_lists_what_there_is(
    found: tuple[OfferedVersion, ...], minimum: str, maximum: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose_version(found, minimum, maximum)
    assert all(one.version in caught.value.message for one in found)
    assert caught.value.hint


@pytest.mark.parametrize("body", [b"<html/>", b"{}", b"", b"<Task/>", b"<!DOCTYPE x><SupportedVersions/>"])
def test_something_else_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read_versions(body)


@pytest.mark.parametrize("text", ["39", "39.1.1", "39.x", "", "39.0.0-alpha"])
def test_a_version_has_two_numbers(text: str) -> None:
    with pytest.raises(ConfigurationError):
        version_key(text)
