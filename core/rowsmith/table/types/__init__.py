"""What the values of a column are: numbers, dates, marks and texts, told from their spelling."""
