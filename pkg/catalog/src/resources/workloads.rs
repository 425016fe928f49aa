//! What makes pods: apps, batch, autoscaling, and the priority of what runs.

use super::row::{Group, Row};

pub(super) const GROUPS: &[Group] = &[
    Group { group: "apps", version: "v1", rows: APPS },
    Group {
        group: "autoscaling",
        version: "v2",
        rows: &[Row::new("HorizontalPodAutoscaler", "horizontalpodautoscalers")
            .short(&["hpa"])
            .categories(&["all"])
            .status(&["spec"])],
    },
    Group { group: "batch", version: "v1", rows: BATCH },
    Group {
        group: "policy",
        version: "v1",
        rows: &[Row::new("PodDisruptionBudget", "poddisruptionbudgets")
            .short(&["pdb"])
            .status(&["spec"])
            .generation()
            .conditional_update()],
    },
    Group {
        group: "scheduling.k8s.io",
        version: "v1",
        rows: &[Row::cluster("PriorityClass", "priorityclasses").short(&["pc"]).generation()],
    },
];

const APPS: &[Row] = &[
    Row::new("ControllerRevision", "controllerrevisions"),
    Row::new("DaemonSet", "daemonsets").short(&["ds"]).categories(&["all"]).status(&["spec"]).generation(),
    Row::new("Deployment", "deployments")
        .short(&["deploy"])
        .categories(&["all"])
        .status(&["spec", "metadata.labels"])
        .scale()
        .generation(),
    Row::new("ReplicaSet", "replicasets")
        .short(&["rs"])
        .categories(&["all"])
        .status(&["spec"])
        .scale()
        .generation()
        .selectable(&[("status.replicas", "status.replicas")]),
    Row::new("StatefulSet", "statefulsets").short(&["sts"]).categories(&["all"]).status(&["spec"]).scale().generation(),
];

const BATCH: &[Row] = &[
    Row::new("CronJob", "cronjobs").short(&["cj"]).categories(&["all"]).status(&["spec"]).generation(),
    Row::new("Job", "jobs")
        .categories(&["all"])
        .status(&["spec"])
        .generation()
        .selectable(&[("status.successful", "status.succeeded")]),
];
