//! The cases, by what they are about. Each module has a table of them and the manifests it needs.

mod get;
mod start;

use anyhow::{Result, ensure};

use crate::{
    node::Node,
    poll::{secs, until},
    suite::Case,
};

/// All cases in the order they run: cheap and telling ones first, those that kill things last.
pub fn all() -> impl Iterator<Item = Case> {
    [start::CASES, get::CASES].into_iter().flatten().copied()
}

/// Every namespace that cases deleted is gone in the end.
pub fn namespaces_go(node: &Node) -> Result<()> {
    until(secs(90), "the cases' namespaces to go", || {
        let list = node.api()?.get("/api/v1/namespaces")?.json()?;
        let left: Vec<String> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|n| n["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("case-")))
            .map(|n| format!("{}: {}", n["metadata"]["name"], n["status"]))
            .collect();
        ensure!(left.is_empty(), "still there: {}", left.join("\n"));
        Ok(())
    })
}
