"""What a rule would have done over past bars: the engine's judgement without its waiting. Pure.

`run.backtest` plays a rule, `sweep.sweep` many settings of one number, `reading.read_series` reads
a file of bars, `lines` answers a file of rules. Prices and instants are arrays of whole numbers,
in which a comparison is exact; whatever fires is decided by the rule's trigger, in Decimal.
"""
