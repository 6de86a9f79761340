"""The checks of `whenfinal doctor` and of `GET /v1/checks`.

Each says what it found and, where something is wrong, how to fix it.
"""
