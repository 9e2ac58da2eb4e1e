"""The rotationally invariant VAE: model, training, gauge, checkpoints, worker."""
