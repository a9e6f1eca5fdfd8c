"""The ``keys`` transform: columns that only identify rows are generated, not learned."""
