"""Signals of vectorbt: `with_vectorbt.py BEGAN BARS ENGINE REPEATS SETS`, a line of JSON.

Brought to what our rules mean: a trailing stop follows the closes and starts anew with the bar
after a firing; below counts the threshold itself, and each bar at which it is true is an order.
"NumPy alone" is that comparison, with which vectorbt has nothing to do. With more than one of SETS
so many settings are swept as well.
"""

import json
import sys
import time
from time import perf_counter

import numpy as np
import pandas as pd
import vectorbt as vbt

BEGAN, BARS, ENGINE, REPEATS, SETS = sys.argv[1:6]
vbt.settings["engine"] = ENGINE
PRICES = pd.read_csv(BARS, usecols=["close"])["close"].to_numpy()
READY = time.time() - float(BEGAN)


def trailing_stop(stops: np.ndarray) -> list[int]:
    held = vbt.Portfolio.from_signals(
        PRICES[:, None],
        entries=np.ones((len(PRICES), 1), bool),
        exits=np.zeros((len(PRICES), 1), bool),
        sl_stop=stops[None, :],
        sl_trail=True,
        size=1.0,
        init_cash=np.inf,
    )
    orders = held.orders.records
    return orders["idx"][orders["side"] == 1].tolist()


def price_below() -> list[int]:
    bought = vbt.Portfolio.from_signals(
        PRICES,
        entries=PRICES <= 120,
        exits=np.zeros(len(PRICES), bool),
        accumulate=True,
        size=1.0,
        init_cash=np.inf,
    )
    return bought.orders.records["idx"].tolist()


def ma_cross(long: int | list[int]) -> list[int]:
    crossed = vbt.MA.run(PRICES, 20).ma_crossed_above(vbt.MA.run(PRICES, long)).to_numpy()
    return np.flatnonzero(crossed.reshape(len(PRICES), -1)[:, 0]).tolist()


def first_below(thresholds: np.ndarray) -> list[int]:
    return (PRICES[:, None] <= thresholds).argmax(axis=0).tolist()


RULES = {
    "trailing_stop": lambda: trailing_stop(np.array([0.05])),
    "price_below": price_below,
    "ma_cross": lambda: ma_cross(50),
    "NumPy alone": lambda: np.flatnonzero(PRICES <= 120).tolist(),
}
SWEEPS = {
    "trailing_stop": lambda: trailing_stop(np.linspace(0.01, 0.99, int(SETS))),
    "ma_cross": lambda: ma_cross((21 + np.arange(int(SETS)) % 380).tolist()),
    "NumPy alone": lambda: first_below(np.linspace(0.7, 700, int(SETS))),
}
told = {"ready": READY, "rules": {}, "sweeps": {}}
for name, work in RULES.items():
    seconds = []
    for _ in range(int(REPEATS)):
        started = perf_counter()
        fires = work()
        seconds.append(perf_counter() - started)
    told["rules"][name] = {"seconds": seconds, "fires": fires}
for name, work in SWEEPS.items() if int(SETS) > 1 else ():
    seconds = []
    for _ in range(2):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    told["sweeps"][name] = seconds
print(json.dumps(told))
