//! Cluster zone and forwarding cache
