"""The backend ``timeseries``: series of any length, written window by window with the engine of another backend."""
