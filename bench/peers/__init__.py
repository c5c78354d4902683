"""What a backtest is measured beside: scripts for a virtual environment of their own, in which the
product is not installed, as the peers are not in the product's."""
