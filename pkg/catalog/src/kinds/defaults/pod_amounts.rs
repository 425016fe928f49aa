//! Resources of a whole pod (`spec.resources`): what is not said follows from its containers.

use knarr_api::{Map, Value, quantity::Quantity};

use crate::kinds::tree::{entries, is_empty};

/// Fills limits of huge pages, then requests.
pub(super) fn whole_pod(spec: &mut Value) {
    if spec.get("resources").is_none_or(Value::is_null) {
        return;
    }
    let huge = |name: &str| name.starts_with("hugepages-");
    let supported = |name: &str| matches!(name, "cpu" | "memory") || huge(name);
    if !is_empty(spec, &["resources", "limits"]) || !is_empty(spec, &["resources", "requests"]) {
        for (name, amount) in of_containers(spec, "limits") {
            if huge(&name) && spec.at(&["resources", "requests", &name]).is_none() {
                fill(spec, "limits", &name, amount.to_string());
            }
        }
    }
    if is_empty(spec, &["resources", "limits"]) {
        return;
    }
    for (name, amount) in of_containers(spec, "requests") {
        if supported(&name) && !huge(&name) {
            fill(spec, "requests", &name, amount.to_string());
        }
    }
    let limits = spec.at(&["resources", "limits"]).and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    for (name, amount) in limits {
        if supported(&name) {
            fill(spec, "requests", &name, amount);
        }
    }
}

fn fill(spec: &mut Value, list: &str, name: &str, amount: impl Into<Value>) {
    if spec.at(&["resources", list, name]).is_none() {
        spec.set(&["resources", list, name], amount);
    }
}

type Amounts = Vec<(String, Quantity)>;

/// What the containers of a pod need at the most: all containers and sidecars together, or an init container beside
/// the sidecars that were started before it.
fn of_containers(spec: &Value, list: &str) -> Amounts {
    let mut all = Amounts::new();
    for container in spec.list_at(&["containers"]) {
        add(&mut all, container, list);
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in spec.list_at(&["initContainers"]) {
        if container.str_at(&["restartPolicy"]) == "Always" {
            add(&mut sidecars, container, list);
            add(&mut all, container, list);
            raise(&mut peak, &sidecars);
        } else {
            let mut now = sidecars.clone();
            add(&mut now, container, list);
            raise(&mut peak, &now);
        }
    }
    raise(&mut all, &peak);
    all
}

fn add(sum: &mut Amounts, container: &Value, list: &str) {
    for (name, amount) in entries(container, &["resources", list]) {
        let Some(Ok(amount)) = amount.as_str().map(str::parse::<Quantity>) else { continue };
        match sum.iter_mut().find(|(n, _)| n == name) {
            Some((_, have)) => *have += amount,
            None => sum.push((name.to_owned(), amount)),
        }
    }
}

fn raise(peak: &mut Amounts, to: &Amounts) {
    for (name, amount) in to {
        match peak.iter_mut().find(|(n, _)| n == name) {
            Some((_, have)) => *have = (*have).max(*amount),
            None => peak.push((name.clone(), *amount)),
        }
    }
}
