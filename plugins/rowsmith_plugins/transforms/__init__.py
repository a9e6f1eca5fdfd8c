"""Bundled transforms: keys, constant, codes, protect-rare, datetime, quantize, in this order."""
