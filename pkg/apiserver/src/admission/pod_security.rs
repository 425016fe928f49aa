//! PodSecurity: the Pod Security Standards of a namespace.
//!
//! Reserved: the plugin holds its place in the order and admits every pod, as upstream does in namespaces without
//! `pod-security.kubernetes.io/*` labels.

use super::Plugin;

/// See the module.
pub struct PodSecurity;

impl Plugin for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }
}
