"""Makes HLS of a recording, while it arrives."""
