"""The base of the tree that `submitter.errors` draws. Alone, so that it is quick to import."""


class WhenfinalError(Exception):
    """Base of every exception of `submitter` and `receiver`."""
