//! The node agent: pods to containers, volumes, probes, logs, stats
