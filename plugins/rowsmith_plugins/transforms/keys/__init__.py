"""The ``keys`` transform: columns that only tell rows apart are generated, not learned."""
