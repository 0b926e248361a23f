"""Image files: what their headers say, their pixels, and the pixels as a network takes them."""
