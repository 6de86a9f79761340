"""The completion events of DashScope, which come through EventBridge to one address of the account.

Sources, read 2026-11-26: https://help.aliyun.com/en/model-studio/async-task-api for the event and the rule;
https://www.alibabacloud.com/help/en/eventbridge/user-guide/retry-and-dead-letter for the retry policies.
"""

SOURCE, TYPE = "acs.dashscope", "dashscope:System:AsyncTaskFinish"

#: How the owner of the account sets up the address.
STEPS = (
    "In the EventBridge console of the account of the API key, region Beijing, open the event bus `default`.",
    f'Create an event rule with the pattern {{"source": ["{SOURCE}"], "type": ["{TYPE}"]}}.',
    "Give it a target of the service type HTTP: this address as the URL, the complete event as the body, no token.",
    "Choose exponential decay as its retry policy, so that an event is sent again for a day.",
)
