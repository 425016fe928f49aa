//! What nodes and pods use: read from the nodes when it is asked for, stored nowhere.

use super::row::{Group, Row};
use crate::Verbs;

/// A kind that is computed for every answer.
const fn computed(row: Row) -> Row {
    let mut row = row.verbs(Verbs::GET.and(Verbs::LIST));
    row.stored = false;
    row
}

pub(super) const GROUPS: &[Group] = &[Group {
    group: "metrics.k8s.io",
    version: "v1beta1",
    rows: &[
        computed(Row::cluster("NodeMetrics", "nodes")).singular("node"),
        computed(Row::new("PodMetrics", "pods")).singular("pod"),
    ],
}];
