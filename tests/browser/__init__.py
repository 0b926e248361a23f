"""Pages used as people use them: in a real Chromium."""
