"""Media -> stems -> clips -> latents and text -> shards (DESIGN sec. 6, data path)."""
