"""Makes HLS of what is recorded, while it arrives."""
