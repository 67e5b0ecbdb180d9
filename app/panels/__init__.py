"""The panels of the page, each built by one `build_x`."""
