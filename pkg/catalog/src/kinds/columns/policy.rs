//! Who may what, how often, and how many at least.

use knarr_api::{Value, value};

use super::{age, cell, column, name, number, text, text_or, wide, words};
use crate::Column;

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "poddisruptionbudgets" => vec![
            name(),
            cell("Min Available", |pdb| words::scalar(pdb, &["spec", "minAvailable"]).unwrap_or("N/A".to_owned())),
            cell("Max Unavailable", |pdb| words::scalar(pdb, &["spec", "maxUnavailable"]).unwrap_or("N/A".to_owned())),
            number("Allowed Disruptions", &["status", "disruptionsAllowed"]),
            age(),
        ],
        "rolebindings" | "clusterrolebindings" => vec![
            name(),
            cell("Role", |b| format!("{}/{}", b.str_at(&["roleRef", "kind"]), b.str_at(&["roleRef", "name"]))),
            age(),
            wide(cell("Users", |b| subjects(b, "User"))),
            wide(cell("Groups", |b| subjects(b, "Group"))),
            wide(cell("ServiceAccounts", |b| subjects(b, "ServiceAccount"))),
        ],
        "flowschemas" => vec![
            name(),
            text("PriorityLevel", &["spec", "priorityLevelConfiguration", "name"]),
            Column { kind: "string".into(), ..number("MatchingPrecedence", &["spec", "matchingPrecedence"]) },
            text_or("DistinguisherMethod", &["spec", "distinguisherMethod", "type"], words::NONE),
            age(),
            cell("MissingPL", |s| words::condition(s, "Dangling").map_or("?", |c| c.str_at(&["status"])).to_owned()),
        ],
        "prioritylevelconfigurations" => vec![
            name(),
            text("Type", &["spec", "type"]),
            limit("NominalConcurrencyShares", &["spec", "limited", "nominalConcurrencyShares"]),
            limit("Queues", &["spec", "limited", "limitResponse", "queuing", "queues"]),
            limit("HandSize", &["spec", "limited", "limitResponse", "queuing", "handSize"]),
            limit("QueueLengthLimit", &["spec", "limited", "limitResponse", "queuing", "queueLengthLimit"]),
            age(),
        ],
        _ => Vec::new(),
    }
}

/// The number at a path if there is one.
fn limit(name: &str, path: &'static [&'static str]) -> Column {
    column(name, "string", move |object, _| object.at(path).cloned().unwrap_or(value!("<none>")))
}

fn subjects(binding: &Value, kind: &str) -> String {
    let name = |subject: &Value| match kind {
        "ServiceAccount" => format!("{}/{}", subject.str_at(&["namespace"]), subject.str_at(&["name"])),
        _ => subject.str_at(&["name"]).to_owned(),
    };
    let subjects = binding.list_at(&["subjects"]).iter().filter(|s| s.str_at(&["kind"]) == kind);
    subjects.map(name).collect::<Vec<_>>().join(", ")
}
