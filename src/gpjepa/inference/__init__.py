"""What a trained model answers: populations, effects, embeddings; and how it is kept."""
