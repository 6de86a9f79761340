"""Copying a whole ledger between SQLite and Postgres, in either direction; `whenfinal migrate --from --to` calls it.

`transfer` locks both databases, copies table by table, reads every table of the copy back and compares digests, then
commits once. Nothing else can write to either database meanwhile. If the copy fails or is different, the target stays
empty; the source is never changed. Each engine is a `TransferEndpoint` with one connection and one transaction.
The tables come from the migrations (`schema`), so a new table is copied without a change here.
"""
