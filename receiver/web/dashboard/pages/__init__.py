"""The pages, one module each: a handler that reads what its template shows."""
