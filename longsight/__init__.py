"""LongSight, the library: token ids in, tensors out. Knows nothing about panels, figures or pages."""

__version__ = "0.1.0"
