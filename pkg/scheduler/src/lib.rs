//! Pods to nodes
