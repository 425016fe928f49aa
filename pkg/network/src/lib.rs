//! Pod network: the CNI plugin, addresses, overlay
