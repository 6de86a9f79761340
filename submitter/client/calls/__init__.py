"""Every request of a client, one module for each subject: functions from arguments to calls and conversations.

Both clients are made of them, so a name, its arguments and its words stand once. `Raises` below a function means, as
everywhere in the client, a `ClientError`: ReceiverRefused, ReceiverUnreachable and what the function names.
"""
