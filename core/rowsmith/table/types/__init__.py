"""Types of columns: numbers, dates, marks and texts, inferred from their spelling."""
