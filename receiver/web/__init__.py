"""HTTP in: callbacks of providers, the API, and what says whether this process is well."""
