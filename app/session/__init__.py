"""What the server does for one visitor while a page is open. Knows nothing of gradio."""
