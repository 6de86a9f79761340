"""CloudEvents attributes as headers."""

from receiver.webhooks.model.cloudevents import cloudevents_headers
from tests.support.builders import T0


def test_an_event_about_no_task_has_no_subject() -> None:
    headers = dict(cloudevents_headers(message_id="evt_1", event_type="x.y", source="urn:whenfinal", at_ms=T0))
    assert headers == {
        "ce-specversion": "1.0",
        "ce-id": "evt_1",
        "ce-type": "x.y",
        "ce-source": "urn:whenfinal",
        "ce-time": "2026-09-21T14:13:20.000Z",
    }


def test_what_no_header_may_hold_is_percent_encoded() -> None:
    headers = dict(
        cloudevents_headers(message_id="e", event_type="t", source="s", at_ms=T0, subject='a "b" 100% 完\r\nx: y')
    )
    assert headers["ce-subject"] == "a%20%22b%22%20100%25%20%E5%AE%8C%0D%0Ax:%20y"
