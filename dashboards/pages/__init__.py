"""The pages: HTML, CSS and scripts, as they are served."""
