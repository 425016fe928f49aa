//! What facts cannot say, one module per kind: hooks and `kubectl get` columns.

mod plain;

use std::sync::Arc;

use crate::{Column, Hooks, NoHooks};

/// The hooks of a resource.
pub(crate) fn hooks_for(_group: &str, _plural: &str) -> Arc<dyn Hooks> {
    Arc::new(NoHooks)
}

/// The columns of a resource.
pub(crate) fn columns_for(_group: &str, _plural: &str) -> Vec<Column> {
    plain::columns()
}
