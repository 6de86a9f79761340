"""What an operator starts at the dashboard, done in the background: one run for each press of a button.

A run goes through what a condition finds, page by page, with the services that the API and the command line use. Its
row in the ledger says how far it is, so any process can go on with it when its own one has died. An item may then be
worked on twice, so every act must be harmless the second time, as the services are.

How an act is added: a function in `acts/` that gives the next items of a condition, one that works on some of them, and
one line in `acts.ACTS`. What a person sees before it is done is a plan of `receiver.web.dashboard.acts`.
"""
