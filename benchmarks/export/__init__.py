"""From run directories to the CSV files and predictions that are committed.

`rows` is the export itself; `pending` collects results and refuses those that contradict committed rows; `layers`,
`curves` and `prediction_files` are what is committed next to the rows.
"""
