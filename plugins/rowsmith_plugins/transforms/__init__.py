"""Bundled transforms: keys, constant, protect-rare, datetime, quantize, in this order."""
