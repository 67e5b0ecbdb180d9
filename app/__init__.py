"""The page: what a session holds and does, the gradio pieces it is shown with, and the panels made of both."""
