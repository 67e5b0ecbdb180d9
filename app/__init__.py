"""The page: gradio only, no arithmetic."""
