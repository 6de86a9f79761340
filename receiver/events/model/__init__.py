"""Events, filters, the buffer of newest events and their form in a stream: values and rules without I/O."""
