//! Minimum, maximum and ratio, and the words for what breaks them.

use knarr_api::{
    demand::{Requirements, ResourceList},
    quantity::Quantity,
};
use serde::Deserialize;

/// The bounds of one kind of thing.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Bounds {
    min: ResourceList,
    max: ResourceList,
    max_limit_request_ratio: ResourceList,
}

impl Bounds {
    /// Holds requests and limits against them.
    pub(super) fn check(&self, kind: &str, have: &Requirements, errors: &mut Vec<String>) {
        for (name, least) in &self.min {
            let words = format!("minimum {name} usage per {kind} is {least}");
            errors.extend(match (have.requests.get(name), have.limits.get(name)) {
                (None, _) => Some(format!("{words}.  No request is specified")),
                (Some(request), _) if request < least => Some(format!("{words}, but request is {request}")),
                (_, Some(limit)) if limit < least => Some(format!("{words}, but limit is {limit}")),
                _ => None,
            });
        }
        for (name, most) in &self.max {
            let words = format!("maximum {name} usage per {kind} is {most}");
            errors.extend(match (have.limits.get(name), have.requests.get(name)) {
                (None, _) => Some(format!("{words}.  No limit is specified")),
                (Some(limit), _) if limit > most => Some(format!("{words}, but limit is {limit}")),
                (_, Some(request)) if request > most => Some(format!("{words}, but request is {request}")),
                _ => None,
            });
        }
        for (name, most) in &self.max_limit_request_ratio {
            let words = format!("{name} max limit to request ratio per {kind} is {most}");
            let amount = |list: &ResourceList| list.get(name).copied().filter(|n| !n.is_zero());
            errors.extend(match (amount(&have.requests), amount(&have.limits)) {
                (None, _) => Some(format!("{words}, but no request is specified or request is 0")),
                (_, None) => Some(format!("{words}, but no limit is specified or limit is 0")),
                (Some(request), Some(limit)) => {
                    let ratio = ratio(limit, request);
                    (ratio > most.as_f64()).then(|| format!("{words}, but provided ratio is {ratio:.6}"))
                }
            });
        }
    }

    /// The same where only requests count.
    pub(super) fn check_requests(&self, kind: &str, requests: &ResourceList, errors: &mut Vec<String>) {
        for (name, least) in &self.min {
            let words = format!("minimum {name} usage per {kind} is {least}");
            errors.extend(match requests.get(name) {
                None => Some(format!("{words}.  No request is specified")),
                Some(request) if request < least => Some(format!("{words}, but request is {request}")),
                Some(_) => None,
            });
        }
        for (name, most) in &self.max {
            let words = format!("maximum {name} usage per {kind} is {most}");
            errors.extend(match requests.get(name) {
                None => Some(format!("{words}.  No request is specified")),
                Some(request) if request > most => Some(format!("{words}, but request is {request}")),
                Some(_) => None,
            });
        }
    }
}

/// Compared in thousandths, as upstream does, so that 1/3 is the same number everywhere.
fn ratio(limit: Quantity, request: Quantity) -> f64 {
    limit.milli_value() as f64 / request.milli_value() as f64
}
