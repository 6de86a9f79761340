"""What callers send to the API: request bodies and query parameters, as pydantic models. Pure.

They allow no unknown member and convert nothing. The answers are in `submitter.api` and `submitter.api_webhooks`.
"""
