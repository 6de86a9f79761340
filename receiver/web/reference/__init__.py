"""The API reference at `/docs`: one page for people, made from the description that programs read.

It needs no script and nothing from elsewhere: the style is in the page, and its policy lets nothing else in.
"""
