"""What figures share: colours, layout, and curves over the length of a text. Pure: no files, no globals, no page."""
