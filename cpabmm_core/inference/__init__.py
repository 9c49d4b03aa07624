"""Use of a trained model: animation, reconstruction and what they share."""
