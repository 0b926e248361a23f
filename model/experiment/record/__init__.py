"""What an experiment keeps: its protocol and its runs, and what may go on from them."""
