//! One metric of an autoscaler: the size it asks for, or why there is none. Pure.

use jiff::Timestamp;
use knarr_api::{
    Object, Value,
    quantity::{Format, Quantity},
    value,
};

use super::{
    model::{Custom, Metric, ResourceUse},
    pods::PodFacts,
    replicas::{Measure, Proposal, Tolerances, propose},
    usage::samples,
};

/// A size, in whose name, and what `status.currentMetrics` says of it.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) replicas: i32,
    pub(super) name: String,
    pub(super) status: Value,
}

/// No size: the reason of condition and event, their words, and the words where several metrics are told of at once.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) cause: String,
    pub(super) error: String,
}

/// What metrics are computed from.
pub(super) struct Facts<'a> {
    pub(super) pods: &'a [PodFacts],
    /// PodMetrics of these pods, or why there are none.
    pub(super) usage: Result<&'a [Object], String>,
    pub(super) replicas: i32,
    pub(super) tolerances: Tolerances,
    pub(super) namespace: &'a str,
    pub(super) now: Timestamp,
}

/// The outcome of one metric.
pub(super) fn compute(metric: &Metric, facts: &Facts<'_>) -> Result<Outcome, Failure> {
    match metric {
        Metric::Resource { resource } => {
            let failure = |cause: String| Failure {
                reason: "FailedGetResourceMetric",
                error: format!("failed to get {} resource metric value: {cause}", resource.name),
                cause,
            };
            let (proposal, name) = of_resource(resource, facts, "resource").map_err(failure)?;
            let status = value!({ "name": &*resource.name, "current": current(&resource.name, proposal) });
            let status = value!({ "type": "Resource", "resource": status });
            Ok(Outcome { replicas: proposal.replicas, name, status })
        }
        Metric::ContainerResource { resource } => {
            let failure = |cause: String| Failure {
                reason: "FailedGetContainerResourceMetric",
                error: format!("failed to get {} container metric value: {cause}", resource.container),
                cause,
            };
            let (proposal, name) = of_resource(resource, facts, "container resource").map_err(failure)?;
            let status = value!({
                "name": &*resource.name,
                "container": &*resource.container,
                "current": current(&resource.name, proposal),
            });
            let status = value!({ "type": "ContainerResource", "containerResource": status });
            Ok(Outcome { replicas: proposal.replicas, name, status })
        }
        Metric::Pods { pods } => Err(of_pods(pods)),
        Metric::Object { object } => Err(of_object(object, facts.namespace)),
        Metric::External { external } => Err(of_external(external, facts.namespace)),
    }
}

fn of_resource(resource: &ResourceUse, facts: &Facts<'_>, what: &str) -> Result<(Proposal, String), String> {
    let ResourceUse { name, container, target } = resource;
    let (measured, label) = match target.average_value {
        Some(_) => ("usage", format!("{name} resource")),
        None => ("utilization", format!("{name} {what} utilization (percentage of request)")),
    };
    let usage = match &facts.usage {
        Ok([]) => Err("no metrics returned from resource metrics API".to_owned()),
        Ok(usage) => Ok(*usage),
        Err(e) => Err(format!("unable to fetch metrics from resource metrics API: {e}")),
    };
    let usage = usage
        .map_err(|e| format!("failed to get {name} {measured}: unable to get metrics for resource {name}: {e}"))?;
    let samples = samples(usage, name, container);
    let what = Measure { resource: name, container, goal: target };
    let proposal = propose(what, facts.pods, &samples, facts.replicas, facts.tolerances, facts.now)
        .map_err(|e| format!("failed to get {name} {measured}: {e}"))?;
    Ok((proposal, label))
}

fn current(resource: &str, proposal: Proposal) -> Value {
    // Memory is told in whole bytes, as metrics are.
    let average = match resource {
        "memory" if proposal.average % 1000 == 0 => Quantity::new(proposal.average / 1000, Format::BinarySi),
        _ => Quantity::milli(proposal.average),
    };
    let mut current = value!({ "averageValue": average.to_string() });
    if let Some(utilization) = proposal.utilization {
        current.set(&["averageUtilization"], utilization);
    }
    current
}

/// Adapters that would serve the other metrics are extensions of the API server: there are none.
const NO_CUSTOM: &str =
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";

fn of_pods(pods: &Custom) -> Failure {
    let cause = format!("unable to get metric {}: {NO_CUSTOM}", pods.metric.name);
    let error = format!("failed to get pods metric value: {cause}");
    Failure { reason: "FailedGetPodsMetric", cause, error }
}

fn of_object(object: &Custom, namespace: &str) -> Failure {
    let (name, about) = (&object.metric.name, &object.described_object);
    let cause = format!("unable to get metric {name}: {NO_CUSTOM} on {} {namespace}/{}", about.kind, about.name);
    let through = match object.target.str_at(&["type"]) {
        "AverageValue" => format!("failed to get {name} object metric: {cause}"),
        _ => cause.clone(),
    };
    Failure { reason: "FailedGetObjectMetric", cause, error: format!("failed to get object metric value: {through}") }
}

fn of_external(external: &Custom, namespace: &str) -> Failure {
    let name = &external.metric.name;
    let cause = format!(
        "unable to get external metric {namespace}/{name}/{}: unable to fetch metrics from external metrics API: the \
         server could not find the requested resource (get {name}.external.metrics.k8s.io)",
        selector(external.metric.selector.as_ref()),
    );
    let through = match external.target.get("averageValue") {
        Some(_) => format!("failed to get {name} external metric: {cause}"),
        None => format!("failed to get external metric {name}: {cause}"),
    };
    Failure {
        reason: "FailedGetExternalMetric",
        cause,
        error: format!("failed to get {name} external metric value: {through}"),
    }
}

/// A label selector as Go prints it.
fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels = labels.into_iter().flat_map(|map| map.iter());
    let labels: String = labels.map(|(k, v)| format!("{k}: {},", v.as_str().unwrap_or_default())).collect();
    let terms = selector.list_at(&["matchExpressions"]).iter().map(|term| {
        let values: Vec<&str> = term.list_at(&["values"]).iter().filter_map(Value::as_str).collect();
        let (key, operator) = (term.str_at(&["key"]), term.str_at(&["operator"]));
        format!("{{{key} {operator} [{}]}}", values.join(" "))
    });
    let terms: String = terms.map(|t| format!("LabelSelectorRequirement{t},")).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failure(metric: serde_json::Value) -> Failure {
        let metric: Metric = serde_json::from_value(metric).unwrap();
        let facts = Facts {
            pods: &[],
            usage: Err("the server is away".into()),
            replicas: 1,
            tolerances: Tolerances { down: 0.1, up: 0.1 },
            namespace: "n",
            now: Timestamp::UNIX_EPOCH,
        };
        compute(&metric, &facts).unwrap_err()
    }

    #[test]
    fn words_for_what_cannot_be_had() {
        let table = [
            (
                json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}}),
                "FailedGetResourceMetric",
                "failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for \
                 resource cpu: unable to fetch metrics from resource metrics API: the server is away",
            ),
            (
                json!({"type": "ContainerResource", "containerResource":
                    {"name": "memory", "container": "app", "target": {"averageValue": "1Gi"}}}),
                "FailedGetContainerResourceMetric",
                "failed to get app container metric value: failed to get memory usage: unable to get metrics for \
                 resource memory: unable to fetch metrics from resource metrics API: the server is away",
            ),
            (
                json!({"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue"}}}),
                "FailedGetPodsMetric",
                "failed to get pods metric value: unable to get metric qps: unable to fetch metrics from custom \
                 metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
            ),
            (
                json!({"type": "Object", "object": {"metric": {"name": "qps"}, "target": {"type": "Value"},
                    "describedObject": {"kind": "Service", "name": "web"}}}),
                "FailedGetObjectMetric",
                "failed to get object metric value: unable to get metric qps: unable to fetch metrics from custom \
                 metrics API: no custom metrics API (custom.metrics.k8s.io) registered on Service n/web",
            ),
            (
                json!({"type": "External", "external": {"metric": {"name": "jobs", "selector": {"matchLabels":
                    {"queue": "a"}}}, "target": {"type": "Value", "value": "30"}}}),
                "FailedGetExternalMetric",
                "failed to get jobs external metric value: failed to get external metric jobs: unable to get external \
                 metric n/jobs/&LabelSelector{MatchLabels:map[string]string{queue: a,},MatchExpressions:\
                 []LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: the server could \
                 not find the requested resource (get jobs.external.metrics.k8s.io)",
            ),
        ];
        for (metric, reason, error) in table {
            let got = failure(metric);
            assert_eq!((got.reason, got.error.as_str()), (reason, error));
            assert!(error.ends_with(&got.cause));
        }
    }

    #[test]
    fn what_is_told_of_use() {
        let say = |resource: &str, average: i64, utilization: Option<i32>| {
            let proposal = Proposal { replicas: 1, utilization, average };
            let current = current(resource, proposal);
            (current.str_at(&["averageValue"]).to_owned(), current.get("averageUtilization").and_then(Value::as_i64))
        };
        assert_eq!(say("cpu", 250, Some(25)), ("250m".into(), Some(25)));
        assert_eq!(say("memory", 64 * 1024 * 1024 * 1000, None), ("64Mi".into(), None));
    }
}
