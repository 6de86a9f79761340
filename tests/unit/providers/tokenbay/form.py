"""TokenBay answers as new-api gateways do."""

from tests.unit.providers.newapi import form as newapi

FORM = newapi.FORM
