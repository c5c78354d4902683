"""The same with backtesting.py: `with_backtesting.py BEGAN BARS`, a line of JSON."""

import json
import sys
import time
import warnings
from time import perf_counter

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

warnings.simplefilter("ignore")
BEGAN, BARS = sys.argv[1:3]
READ = pd.read_csv(BARS, usecols=["open", "high", "low", "close", "volume"])
FRAME = READ.rename(columns=str.capitalize)
READY = time.time() - float(BEGAN)


def average(values: np.ndarray, length: int) -> np.ndarray:
    return pd.Series(values).rolling(length).mean().to_numpy()


class Rule(Strategy):
    kind = ""

    def init(self) -> None:
        self.fires: list[int] = []
        self.peak = 0.0
        if self.kind == "ma_cross":
            self.short = self.I(average, self.data.Close, 20)
            self.long = self.I(average, self.data.Close, 50)

    def next(self) -> None:
        price = self.data.Close[-1]
        if self.kind == "trailing_stop":
            self.peak = max(self.peak, price)
            fired = price <= self.peak * 0.95
            self.peak = price if fired else self.peak
        elif self.kind == "price_below":
            fired = price <= 120
        else:
            fired = self.short[-2] <= self.long[-2] and self.short[-1] > self.long[-1]
        if fired:
            self.fires.append(len(self.data) - 1)


told = {"ready": READY, "rules": {}}
for kind in ("trailing_stop", "price_below", "ma_cross"):
    started = perf_counter()
    done = Backtest(FRAME, Rule, cash=10**9).run(kind=kind)
    took = perf_counter() - started
    told["rules"][kind] = {"seconds": [took], "fires": done._strategy.fires}
print(json.dumps(told))
