"""Rules in plain words: the layer above actions. `phrases` reads them without a model."""
