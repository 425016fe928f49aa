//! DNS and ingress of a node.
