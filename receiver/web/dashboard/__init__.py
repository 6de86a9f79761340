"""The dashboard at /ops: pages for people who look and act, rendered here, over the services of `runtime`.

Who looks has signed in with an API key. `session` signs the cookie, `guard` holds the headers and the limit of wrong
keys, `page` does for every page the same in the same order: refuse what another site sent, find the session, check the
scope, read the fields. `errors` makes pages of problems. Nothing is counted over a big table: lists are pages by key,
and a number that may be large is counted up to a cap. There is no script or style within a page, and no handler in an
attribute: the policy in `guard` allows files of ours alone.

How a page is added:

1. `pages/NAME.py`: `async def show_name(view: View) -> Page`. It reads through `view.services`, and returns the name of
   its template, its title and the values. What is decided or worded without the ledger is a function in `model/`.
2. `templates/NAME.html` extends `base.html` and fills the block `live`. Whatever a provider or a caller wrote goes
   through `parts.text`, `parts.block` or `parts.address`; times through `parts.time`; ids through `parts.id`.
3. One line in `routes.PAGE_ROUTES` with its scope. `navigation.PAGES` shows it once it has a route.
4. The block `live` is asked for again at the chosen rate, from the same address, and answered 304 while its bytes are
   the same. So it must not hold what changes by itself, such as a nonce. `Page(live="")` turns that off; another
   address there gives a fragment of its own, as the list of tasks does to keep its rows in their places.
5. Tests: over HTTP in `tests/integration/web/dashboard/`, in a browser in `tests/browser/`.
"""
