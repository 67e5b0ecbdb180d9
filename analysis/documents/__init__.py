"""Files that people read, as texts that models read. What a format needs is imported when one comes."""
