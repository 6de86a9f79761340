"""The provider that examples in help texts and in descriptions of the API show: one of the registry. Pure.

It is named here and not in the examples, so that no other module holds the name of a provider. It imports nothing,
because the help of the command line shows examples too.
"""

PROVIDER = "hiapi"

HOST = "api.hiapi.ai"

MODEL = "happyhorse-1.1/text-to-video"

#: An id in the form of this provider.
PROVIDER_TASK_ID = "tk-hiapi-01K5QW8Y"
