//! A pod's class of service: how sure it may be of its CPU and memory.

use knarr_api::{Value, quantity::Quantity};

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// Requests and limits that count, summed up: `[requests, limits]` per resource.
#[derive(Default)]
struct Sums {
    amounts: [[Option<Quantity>; 2]; 2],
    /// Whether every part has limits of both.
    limited: bool,
}

impl Sums {
    fn new() -> Self {
        Self { limited: true, ..Self::default() }
    }

    fn add(&mut self, part: &Value) {
        for (i, name) in COUNTED.iter().enumerate() {
            for (j, list) in ["requests", "limits"].iter().enumerate() {
                let amount = part.str_at(&["resources", list, name]).parse::<Quantity>().ok();
                let amount = amount.filter(|a| *a > Quantity::ZERO);
                if let Some(amount) = amount {
                    let sum = self.amounts[i][j].get_or_insert(Quantity::ZERO);
                    *sum += amount;
                } else if *list == "limits" {
                    self.limited = false;
                }
            }
        }
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`. Resources of the whole pod, where there are any, decide alone.
pub(super) fn class(spec: &Value) -> &'static str {
    let mut sums = Sums::new();
    if spec.get("resources").is_some_and(|r| !r.is_null()) {
        sums.add(spec);
    } else {
        let containers = spec.list_at(&["containers"]).iter().chain(spec.list_at(&["initContainers"]));
        containers.for_each(|container| sums.add(container));
    }
    if sums.amounts.iter().flatten().all(Option::is_none) {
        "BestEffort"
    } else if sums.limited && sums.amounts.iter().all(|[request, limit]| request == limit) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
