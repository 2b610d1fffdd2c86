"""What a request's record can weigh at most is never less than what it weighs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.avro.store_codec import AvroStoreCodec
from bridge.core.coordinates import Birth
from bridge.core.lifecycle import StoredRequest
from bridge.engine.partition.records import record_bytes, request_key, weighs_at_most
from bridge.ports import OutRecord

LONGEST_TOPIC = "t" * 249
CODEC = AvroStoreCodec()


@given(
    st.text(max_size=50),
    st.one_of(st.none(), st.text(max_size=400), st.sampled_from(["\U0001f600" * 5000, "é" * 5000, "x" * 5000])),
    st.lists(st.tuples(st.text(min_size=1, max_size=20), st.text(max_size=20)), max_size=200).map(tuple),
    st.integers(-(2**63), 2**63 - 1),
)
def test_no_record_weighs_more_than_it_can(
    path: str, body: str | None, query: tuple[tuple[str, str], ...], offset: int
) -> None:
    birth = Birth(LONGEST_TOPIC, 2**31 - 1, offset)
    media_type = "application/vnd.vmware.vcloud.task+json"
    request = StoredRequest(birth=birth, method="POST", path=path, query=query, media_type=media_type, body=body)
    value, headers = CODEC.encode_request(request)
    assert record_bytes(OutRecord(LONGEST_TOPIC, None, request_key(birth), value, headers)) <= weighs_at_most(request)
