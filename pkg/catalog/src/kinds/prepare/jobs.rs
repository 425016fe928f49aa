//! Jobs: the labels by which a Job finds its pods.

use knarr_api::Value;

use crate::kinds::tree::{flag, inner};

/// Labels for the UID (the selector) and the name, each in an older and a newer spelling.
const UID: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const NAME: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

/// A Job without a selector of its own selects its pods by its UID.
pub(in crate::kinds) fn create_job(job: &mut Value) {
    if flag(job, &["spec", "manualSelector"]) || inner(job, &["spec"]).is_none() {
        return;
    }
    let meta = |key| Value::from(job.str_at(&["metadata", key]));
    let (uid, name) = (meta("uid"), meta("name"));
    let labels = UID.iter().map(|key| (key, &uid)).chain(NAME.iter().map(|key| (key, &name)));
    for (key, value) in labels {
        // What someone else put there is for validation to refuse.
        if job.at(&["spec", "template", "metadata", "labels", key]).is_none() {
            job.set(&["spec", "template", "metadata", "labels", key], value.clone());
        }
    }
    if job.at(&["spec", "selector", "matchLabels", UID[1]]).is_none() {
        job.set(&["spec", "selector", "matchLabels", UID[1]], uid);
    }
}
