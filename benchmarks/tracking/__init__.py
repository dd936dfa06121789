"""Mirrors run directories into MLflow.

    observer      follows a sweep, and asks for what has changed to be mirrored
    background    does that in a process of its own, so that no run waits for MLflow
    mirror        brings MLflow up to date with run directories and reports
    entries       finds and creates experiments and runs in MLflow
    lineage       registers the data that a run has used and the model that it has made
    translation   a run directory as MLflow's metrics, parameters and tags
    derived       metrics that are not stored with a run, such as energy
    connection    the server or the database, and what its errors mean

Nothing is read back from MLflow, so every run is complete without it.
"""
