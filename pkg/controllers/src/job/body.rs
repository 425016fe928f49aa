//! The pods a Job makes: pure.

use knarr_api::{Value, value};

use super::{
    model::Job,
    plan::Successor,
    pod::{FAILURES, IGNORED, INDEX, TRACKING},
};

const ENV: &str = "JOB_COMPLETION_INDEX";
/// Longest name a random suffix of five is put to.
const PREFIX: usize = 58;

/// What all pods of a Job share.
pub(super) fn prepare(job: &Job, pod: &mut Value) {
    let mut finalizers = pod.list_at(&["metadata", "finalizers"]).to_vec();
    if !finalizers.iter().any(|f| f.as_str() == Some(TRACKING)) {
        finalizers.push(TRACKING.into());
    }
    pod.set(&["metadata", "finalizers"], finalizers);
    pod.set(&["metadata", "generateName"], format!("{}-", job.key.name));
    if !job.indexed {
        return;
    }
    for list in ["initContainers", "containers"] {
        let containers = pod.at_mut(&["spec", list]).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mut env = container.list_at(&["env"]).to_vec();
            if env.iter().all(|e| e.str_at(&["name"]) != ENV) {
                let path = format!("metadata.labels['{INDEX}']");
                env.push(value!({ "name": ENV, "valueFrom": { "fieldRef": { "fieldPath": path } } }));
                container.set(&["env"], env);
            }
        }
    }
}

/// One pod.
pub(super) fn pod(job: &Job, template: &Value, which: Successor) -> Value {
    let mut pod = template.clone();
    let Some(index) = which.index else { return pod };
    let number = index.to_string();
    pod.set(&["metadata", "annotations", INDEX], number.as_str());
    pod.set(&["metadata", "labels", INDEX], number.as_str());
    pod.set(&["spec", "hostname"], format!("{}-{number}", job.key.name));
    let suffix = format!("-{number}-");
    let stem = job.key.name.get(..PREFIX - suffix.len()).unwrap_or(&job.key.name);
    pod.set(&["metadata", "generateName"], format!("{stem}{suffix}"));
    if let Some((failures, ignored)) = which.failures {
        pod.set(&["metadata", "annotations", FAILURES], failures.to_string());
        if ignored > 0 {
            pod.set(&["metadata", "annotations", IGNORED], ignored.to_string());
        }
    }
    pod
}
