"""Records, as files for other programs, and figures as a page that stands alone."""
