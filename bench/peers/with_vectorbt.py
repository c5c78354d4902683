"""Signals of vectorbt: `with_vectorbt.py KIND BARS ENGINE SETS REPEATS`, a line of JSON.

Brought to what our rules mean: a trailing stop follows the closes and starts anew with the bar
after a firing; below counts the threshold itself, and each bar at which it is true is an order. The
engine "numpy" is that comparison alone, with which vectorbt has nothing to do.
"""

import json
import sys
from time import perf_counter

import numpy as np
import pandas as pd
import vectorbt as vbt

KIND, BARS, ENGINE, SETS, REPEATS = sys.argv[1:6]
if ENGINE != "numpy":
    vbt.settings["engine"] = ENGINE
PRICES = pd.read_csv(BARS, usecols=["close"])["close"].to_numpy()
SETTINGS = np.linspace(0.01, 0.99, int(SETS)) if int(SETS) > 1 else np.array([0.05])


def trailing_stop() -> list[int]:
    held = vbt.Portfolio.from_signals(
        PRICES[:, None],
        entries=np.ones((len(PRICES), 1), bool),
        exits=np.zeros((len(PRICES), 1), bool),
        sl_stop=SETTINGS[None, :],
        sl_trail=True,
        size=1.0,
        init_cash=np.inf,
    )
    orders = held.orders.records
    return orders["idx"][orders["side"] == 1].tolist()


def price_below() -> list[int]:
    if ENGINE == "numpy":
        return np.flatnonzero(PRICES <= 120).tolist()
    if len(SETTINGS) == 1:
        bought = vbt.Portfolio.from_signals(
            PRICES,
            entries=PRICES <= 120,
            exits=np.zeros(len(PRICES), bool),
            accumulate=True,
            size=1.0,
            init_cash=np.inf,
        )
        return bought.orders.records["idx"].tolist()
    return (PRICES[:, None] <= SETTINGS * 700).argmax(axis=0).tolist()


def ma_cross() -> list[int]:
    if len(SETTINGS) == 1:
        short, long = vbt.MA.run(PRICES, 20), vbt.MA.run(PRICES, 50)
    else:
        windows = (21 + np.arange(len(SETTINGS)) % 380).tolist()
        short, long = vbt.MA.run(PRICES, 20), vbt.MA.run(PRICES, windows)
    crossed = short.ma_crossed_above(long).to_numpy()
    return np.flatnonzero(crossed.reshape(len(PRICES), -1)[:, 0]).tolist()


WORK = {"trailing_stop": trailing_stop, "price_below": price_below, "ma_cross": ma_cross}[KIND]
seconds = []
for _ in range(int(REPEATS)):
    started = perf_counter()
    fires = WORK()
    seconds.append(perf_counter() - started)
print(json.dumps({"seconds": seconds, "fires": fires}))
