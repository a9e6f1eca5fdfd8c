"""The real table and the synthetic one side by side: a summary by column, and a page of groups."""
