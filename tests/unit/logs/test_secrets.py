"""No secret reaches a log, whatever line it is in."""

from __future__ import annotations

import pytest

from lpnet.logs.secrets import lease_id, redact

LEASE = "lease-0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer s3cret-value", "s3cret"),
        ('{"authorization": "Bearer s3cret-value"}', "s3cret"),
        ('{"headers": "{\\"Authorization\\": \\"Basic s3cret==\\"}"}', "s3cret"),
        ("postgresql+psycopg://lpnet:s3cret@db:5432/lpnet", "s3cret"),
        ("postgresql://lpnet:s3c@ret/slash@db/lpnet refused", "ret"),
        ("postgresql://db/lpnet?user=u&password=s3cret&sslmode=require", "s3cret"),
        ("connection failed: password='s3cret'", "s3cret"),
        ("a token lpnet_AbCdEf0123456789AbCdEf was used", "AbCdEf"),
        ("Cookie: lpnet_session=s3cret", "s3cret"),
        (f"/v1/leases/{LEASE}/complete", "6789abcdef"),
        (f"{{'lease_token_1': '{LEASE}'}}", "6789abcdef"),
    ],
)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET http://127.0.0.1:8000/v1/targets/desk-cpu answered 200",
        '{"event": "request", "route": "/v1/leases/{token}/heartbeat", "status": 200}',
        "the tokens of 3 widths: 4, 8, 16",
        "agent-0123456789abcdef01234567 holds job-0123456789abcdef01234567",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_lease_is_still_told_from_others() -> None:
    assert lease_id(LEASE) == "lease-012345"
    assert redact(f"lease {LEASE} is over") == "lease lease-012345 is over"
