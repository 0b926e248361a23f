"""The network: U-Net, recipe, training, prediction, and the dice of what it predicts."""
