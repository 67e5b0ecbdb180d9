"""How the embedded models are made, from a folder of text files to a folder that transformers loads."""
