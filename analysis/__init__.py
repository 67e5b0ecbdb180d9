"""The analysis: what is measured, as records of numpy arrays, and what is drawn from them. Never imports gradio."""
