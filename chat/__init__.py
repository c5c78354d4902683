"""Rules in plain words: the layer above actions. It holds no code yet."""
