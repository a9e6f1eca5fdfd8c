"""Grammars of records, over text and over the tokens of any tokenizer."""
