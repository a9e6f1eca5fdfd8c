"""What engines share: token sampling, keyed draws, prompts and tokens of a bundle, devices."""
