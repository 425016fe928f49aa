//! LimitRanger: the bounds that the LimitRanges of a namespace set for single containers, pods and claims, and the
//! amounts they give to containers that name none.

mod check;

use knarr_api::{
    Status, Str, Value,
    demand::{ContainerDemand, PodDemand, Requirements, ResourceList},
    value::from_value,
};
use serde::Deserialize;

use super::{Attributes, Operation, Plugin};
use check::Bounds;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// See the module.
pub struct LimitRanger;

#[derive(Deserialize)]
struct LimitRange {
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    limits: Vec<Limit>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Limit {
    #[serde(rename = "type")]
    kind: Str,
    #[serde(flatten)]
    bounds: Bounds,
    default: ResourceList,
    default_request: ResourceList,
}

#[derive(Deserialize)]
struct Pod {
    #[serde(default)]
    spec: PodDemand,
}

#[derive(Deserialize)]
struct Claim {
    #[serde(default)]
    spec: ContainerDemand,
}

/// What is limited.
enum Limited {
    Pod,
    Claim,
}

/// What kind of thing the write is about; `None` if LimitRanges have nothing to say.
///
/// The containers of a pod change through `resize` only, so other changes of pods need no look.
fn limited(a: &Attributes<'_>) -> Option<Limited> {
    if a.operation == Operation::Delete || a.old.is_some_and(|o| o.at(&["metadata", "deletionTimestamp"]).is_some()) {
        return None;
    }
    if a.about("", "pods") {
        let whole = a.target.sub.is_none() && a.operation == Operation::Create;
        return (whole || a.target.sub_name() == "resize").then_some(Limited::Pod);
    }
    a.is("", "persistentvolumeclaims").then_some(Limited::Claim)
}

fn ranges(a: &Attributes<'_>) -> Result<Vec<LimitRange>, Status> {
    let all = a.view.list("", "limitranges").into_iter().filter(|o| o.namespace() == a.namespace);
    all.map(|o| o.decode().map_err(|e| Status::internal(format!("limit range {}: {e}", o.name())))).collect()
}

impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn mutate(&self, a: &Attributes<'_>, pod: &mut Value) -> Result<(), Status> {
        if let Some(Limited::Pod) = limited(a) {
            for range in ranges(a)? {
                complete(pod, &range);
            }
        }
        Ok(())
    }

    fn validate(&self, a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
        let Some((object, limited)) = object.zip(limited(a)) else { return Ok(()) };
        for range in ranges(a)? {
            let errors = match limited {
                Limited::Pod => {
                    let pod: Pod = from_value(object).map_err(Status::internal)?;
                    check_pod(&range, &pod.spec)
                }
                Limited::Claim => {
                    let claim: Claim = from_value(object).map_err(Status::internal)?;
                    check_claim(&range, &claim.spec.resources)
                }
            };
            if !errors.is_empty() {
                return Err(a.forbid(&together(errors)));
            }
        }
        Ok(())
    }
}

/// Gives each container the amounts it does not name, and says so in an annotation.
fn complete(pod: &mut Value, range: &LimitRange) {
    let (mut requests, mut limits) = (ResourceList::new(), ResourceList::new());
    for limit in range.spec.limits.iter().filter(|l| l.kind == "Container") {
        requests.extend(limit.default_request.clone());
        limits.extend(limit.default.clone());
    }
    let mut said = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        let Some(containers) = pod.at_mut(&["spec", list]).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            let name = container.str_at(&["name"]).to_owned();
            for (kind, defaults, word) in [("requests", &requests, "request"), ("limits", &limits, "limit")] {
                let missing = |name: &Str| container.at(&["resources", kind, name]).is_none();
                let given: Vec<(Str, Str)> =
                    defaults.iter().filter(|(n, _)| missing(n)).map(|(n, q)| (n.clone(), Str::from(*q))).collect();
                if given.is_empty() {
                    continue;
                }
                let names: Vec<&str> = given.iter().map(|(n, _)| n.as_str()).collect();
                said.push(format!("{} {word} for {what} {name}", names.join(", ")));
                for (resource, amount) in given {
                    container.set(&["resources", kind, &resource], amount);
                }
            }
        }
    }
    if !said.is_empty() {
        let text = format!("LimitRanger plugin set: {}", said.join("; "));
        pod.set(&["metadata", "annotations", ANNOTATION], text);
    }
}

fn check_pod(range: &LimitRange, pod: &PodDemand) -> Vec<String> {
    let mut errors = Vec::new();
    for limit in &range.spec.limits {
        match limit.kind.as_str() {
            "Container" => {
                for container in pod.all() {
                    limit.bounds.check("Container", &container.resources, &mut errors);
                }
            }
            "Pod" => {
                let sums =
                    Requirements { requests: pod.requests_without_overhead(), limits: pod.limits_without_overhead() };
                limit.bounds.check("Pod", &sums, &mut errors);
            }
            _ => {}
        }
    }
    errors
}

/// Claims have requests only.
fn check_claim(range: &LimitRange, claim: &Requirements) -> Vec<String> {
    let mut errors = Vec::new();
    for limit in range.spec.limits.iter().filter(|l| l.kind == "PersistentVolumeClaim") {
        limit.bounds.check_requests("PersistentVolumeClaim", &claim.requests, &mut errors);
    }
    errors
}

/// Several complaints as one; each only once.
fn together(errors: Vec<String>) -> String {
    let mut once: Vec<String> = Vec::new();
    for error in errors {
        if !once.contains(&error) {
            once.push(error);
        }
    }
    if let [only] = &once[..] { only.clone() } else { format!("[{}]", once.join(", ")) }
}

#[cfg(test)]
mod tests {
    use knarr_api::value;

    use super::*;

    fn range(limits: serde_json::Value) -> LimitRange {
        serde_json::from_value(serde_json::json!({"spec": {"limits": limits}})).unwrap()
    }

    #[test]
    fn what_containers_are_given() {
        let range = range(serde_json::json!([
            {"type": "Container", "default": {"cpu": "75m", "memory": "10Mi"}, "defaultRequest": {"cpu": "50m", "memory": "5Mi"}},
            {"type": "Pod", "default": {"cpu": "9"}},
        ]));
        let mut pod = value!({ "metadata": { "name": "p" }, "spec": {
            "containers": [{ "name": "a" }, { "name": "b", "resources": { "requests": { "cpu": "1" }, "limits": { "cpu": "2", "memory": "1Gi" } } }],
            "initContainers": [{ "name": "i", "resources": { "requests": { "cpu": "1", "memory": "1" } } }],
        } });
        complete(&mut pod, &range);
        assert_eq!(
            pod.str_at(&["metadata", "annotations", ANNOTATION]),
            "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; memory \
             request for container b; cpu, memory limit for init container i"
        );
        let a = &pod.list_at(&["spec", "containers"])[0];
        assert_eq!(a.str_at(&["resources", "limits", "cpu"]), "75m");
        assert_eq!(a.str_at(&["resources", "requests", "memory"]), "5Mi");
        let mut full = value!({ "spec": { "containers": [] } });
        complete(&mut full, &range);
        assert_eq!(full, value!({ "spec": { "containers": [] } }));
    }

    /// Facts of upstream's tests: a limit, a pod, and the complaint.
    #[test]
    fn bounds_of_pods() {
        let container = |requests: serde_json::Value, limits: serde_json::Value| serde_json::json!({"containers": [{"name": "c", "resources": {"requests": requests, "limits": limits}}]});
        let two = serde_json::json!({"containers": [
            {"name": "c", "resources": {"requests": {"cpu": "40m"}, "limits": {"cpu": "60m"}}},
            {"name": "d", "resources": {"requests": {"cpu": "40m"}, "limits": {"cpu": "60m"}}}]});
        for (limit, pod, want) in [
            (
                serde_json::json!({"type": "Container", "min": {"cpu": "50m"}}),
                container(serde_json::json!({"cpu": "100m"}), serde_json::json!({})),
                "",
            ),
            (
                serde_json::json!({"type": "Container", "min": {"cpu": "50m"}}),
                container(serde_json::json!({"cpu": "40m"}), serde_json::json!({})),
                "minimum cpu usage per Container is 50m, but request is 40m",
            ),
            (
                serde_json::json!({"type": "Container", "min": {"cpu": "50m"}}),
                container(serde_json::json!({}), serde_json::json!({})),
                "minimum cpu usage per Container is 50m.  No request is specified",
            ),
            (
                serde_json::json!({"type": "Container", "max": {"cpu": "1"}}),
                container(serde_json::json!({"cpu": "2"}), serde_json::json!({})),
                "maximum cpu usage per Container is 1.  No limit is specified",
            ),
            (
                serde_json::json!({"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}}),
                container(serde_json::json!({}), serde_json::json!({"cpu": "2", "memory": "2Gi"})),
                "[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]",
            ),
            (
                serde_json::json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "4"}}),
                container(serde_json::json!({"cpu": "100m"}), serde_json::json!({"cpu": "500m"})),
                "cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000",
            ),
            (
                serde_json::json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "4"}}),
                container(serde_json::json!({}), serde_json::json!({"cpu": "500m"})),
                "cpu max limit to request ratio per Container is 4, but no request is specified or request is 0",
            ),
            (
                serde_json::json!({"type": "Pod", "max": {"cpu": "100m"}}),
                two.clone(),
                "maximum cpu usage per Pod is 100m, but limit is 120m",
            ),
            (
                serde_json::json!({"type": "Pod", "min": {"cpu": "100m"}}),
                two,
                "minimum cpu usage per Pod is 100m, but request is 80m",
            ),
        ] {
            let demand: PodDemand = serde_json::from_value(pod.clone()).unwrap();
            let errors = check_pod(&range(serde_json::json!([limit])), &demand);
            let got = if errors.is_empty() { String::new() } else { together(errors) };
            assert_eq!(got, want, "{pod}");
        }
    }

    #[test]
    fn bounds_of_claims() {
        let range = range(
            serde_json::json!([{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}]),
        );
        for (storage, want) in [
            ("1Gi", ""),
            ("500Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"),
            ("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"),
        ] {
            let claim: Requirements =
                serde_json::from_value(serde_json::json!({"requests": {"storage": storage}})).unwrap();
            assert_eq!(check_claim(&range, &claim).join("; "), want);
        }
    }
}
