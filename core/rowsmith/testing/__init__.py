"""What authors of plugins test with: an engine without a model, and the tests that every engine passes."""
