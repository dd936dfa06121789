"""What training cost: time, core-seconds, memory and joules, parents included.

`costs` derives them from rows once per report; `fit` says what one more time step costs; `to_accuracy` what an accuracy
costs; `reports.tables.training` shows it. Energy of inference is the room `energy`.
"""
