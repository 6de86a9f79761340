"""Modelstream answers as new-api gateways do."""

from tests.unit.providers.newapi.form import FORM as FORM
