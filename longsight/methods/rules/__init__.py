"""The language of composed rules: from a text to a tree, and from the tree to bands that attention is computed from."""
