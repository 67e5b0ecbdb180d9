"""LongSight, the library: token ids in, tensors out. Knows nothing about panels, figures or pages."""
