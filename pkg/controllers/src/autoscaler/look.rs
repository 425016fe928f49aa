//! One look at an autoscaler: reading size and use, deciding, changing the size, telling.

use std::collections::HashMap;

use jiff::Timestamp;
use knarr_api::{Object, Status, selector::Labels, value};
use knarr_client::{
    Key, Request, Resource, Verb,
    events::Type,
    resources::{HORIZONTAL_POD_AUTOSCALERS, POD_METRICS, PODS},
};
use parking_lot::Mutex;

use super::{
    behavior::Memory,
    decide::{self, First, Verdict, first, verdict},
    metric::{Facts, Failure, Outcome, compute},
    model::{Autoscaler, Metric},
    pods::PodFacts,
    scale::Scale,
    status::{Kind, Said},
};
use crate::{
    Context,
    context::{reference, rfc3339},
};

/// What is kept of an autoscaler between two looks.
#[derive(Default)]
pub(super) struct Known {
    memory: Memory,
    /// The pods it scaled last.
    selector: Option<Labels>,
}

/// One look at an autoscaler.
pub(super) struct Look<'a> {
    cx: &'a Context,
    known: &'a Mutex<HashMap<Key, Known>>,
    of: &'a Autoscaler,
    said: Said,
}

impl<'a> Look<'a> {
    pub(super) fn new(cx: &'a Context, known: &'a Mutex<HashMap<Key, Known>>, of: &'a Autoscaler) -> Self {
        Self { cx, known, of, said: of.status.clone() }
    }

    /// Looks, and changes the size if it should be another; what there is to say then.
    pub(super) async fn run(mut self) -> Said {
        self.size().await;
        self.said
    }

    async fn size(&mut self) {
        let (spec, ns) = (&self.of.spec, &self.of.key.namespace);
        let scale = match Scale::of(self.cx, ns, &spec.scale_target_ref).await {
            Ok(scale) => scale,
            Err(e) => {
                self.tell(Type::Warning, "FailedGetScale", e.clone());
                let text = format!("the HPA controller was unable to get the target's current scale: {e}");
                return self.set(Kind::AbleToScale, false, "FailedGetScale", text);
            }
        };
        let text = "the HPA controller was able to get the target's current scale";
        self.set(Kind::AbleToScale, true, "SucceededGetScale", text);
        let current = scale.replicas;
        self.said.current_replicas = current;
        self.remember(|memory, now| memory.begin(current, now));
        let (desired, reason) = match first(spec, current) {
            First::Off => {
                let text = "scaling is disabled since the replica count of the target is zero";
                self.set(Kind::ScalingActive, false, "ScalingDisabled", text);
                self.said.current_metrics.clear();
                (0, String::new())
            }
            First::Rescale(to, reason) => {
                self.said.current_metrics.clear();
                (to, reason.to_owned())
            }
            First::Measure => match self.measure(&scale).await {
                Some(measured) => measured,
                None => return,
            },
        };
        if desired != current && !self.rescale(&scale, desired, &reason).await {
            return;
        }
        self.said.desired_replicas = desired;
    }

    /// The size that metrics ask for, within bounds, and why; `None` if there is none.
    async fn measure(&mut self, scale: &Scale) -> Option<(i32, String)> {
        let (spec, current) = (&self.of.spec, scale.replicas);
        let outcomes = match self.outcomes(scale).await {
            Ok(outcomes) => outcomes,
            Err(e) => {
                self.said.current_metrics = vec![value!({ "type": "" }); spec.metrics.len()];
                self.tell(Type::Warning, "FailedComputeMetricsReplicas", e);
                return None;
            }
        };
        // Metrics are told by place: one that failed keeps its own.
        let status =
            |o: &Result<Outcome, Failure>| o.as_ref().map_or_else(|_| value!({ "type": "" }), |o| o.status.clone());
        self.said.current_metrics = outcomes.iter().map(status).collect();
        for failure in outcomes.iter().filter_map(|o| o.as_ref().err()) {
            self.tell(Type::Warning, failure.reason, failure.cause.clone());
        }
        let (replicas, name) = match verdict(&outcomes, current)? {
            Verdict::Size { replicas, name, trouble } => {
                if let Some(trouble) = trouble {
                    tracing::debug!(autoscaler = %self.of.key, %trouble, "scales by the other metrics");
                }
                (replicas, name)
            }
            Verdict::None { failure, error } => {
                let text = format!("the HPA was unable to compute the replica count: {}", failure.cause);
                self.set(Kind::ScalingActive, false, failure.reason, text);
                self.tell(Type::Warning, "FailedComputeMetricsReplicas", error);
                return None;
            }
        };
        let text = format!("the HPA was able to successfully calculate a replica count from {name}");
        self.set(Kind::ScalingActive, true, "ValidMetricFound", text);
        let limited = self.remember(|memory, now| memory.limit(spec, current, replicas, now));
        let (reason, text) =
            limited.stabilized.unwrap_or(("ReadyForNewScale", "recommended size matches current size"));
        self.set(Kind::AbleToScale, true, reason, text);
        self.set(Kind::ScalingLimited, limited.limited, limited.reason, limited.message);
        Some((limited.replicas, decide::reason(replicas, current, name)))
    }

    /// Every metric by itself.
    async fn outcomes(&mut self, scale: &Scale) -> Result<Vec<Result<Outcome, Failure>>, String> {
        let (of, ns) = (self.of, &self.of.key.namespace);
        let selector = self.selector(&scale.selector)?;
        let pods = self.list(&PODS, &scale.selector).await.map_err(|e| e.message().to_owned())?;
        self.claim(&scale.selector, selector, &pods)?;
        let facts: Vec<PodFacts> = pods.iter().filter_map(PodFacts::of).collect();
        let measures = |m: &Metric| matches!(m, Metric::Resource { .. } | Metric::ContainerResource { .. });
        let usage = match of.spec.metrics.iter().any(measures) {
            true => self.list(&POD_METRICS, &scale.selector).await.map_err(|e| e.message().to_owned()),
            false => Ok(Vec::new()),
        };
        let facts = Facts {
            pods: &facts,
            usage: usage.as_deref().map_err(Clone::clone),
            replicas: scale.replicas,
            tolerances: decide::tolerances(of.spec.behavior.as_ref()),
            namespace: ns,
            now: Timestamp::now(),
        };
        Ok(of.spec.metrics.iter().map(|metric| compute(metric, &facts)).collect())
    }

    fn selector(&mut self, text: &str) -> Result<Labels, String> {
        if text.is_empty() {
            let error = "selector is required".to_owned();
            self.tell(Type::Warning, "SelectorRequired", error.clone());
            self.set(Kind::ScalingActive, false, "InvalidSelector", "the HPA target's scale is missing a selector");
            return Err(error);
        }
        Labels::parse(text).map_err(|e| {
            let error = format!("couldn't convert selector into a corresponding internal selector object: {e}");
            self.tell(Type::Warning, "InvalidSelector", error.clone());
            self.set(Kind::ScalingActive, false, "InvalidSelector", error.clone());
            error
        })
    }

    /// Notes that these pods are this autoscaler's. Two must not pull at the same pods.
    fn claim(&mut self, text: &str, selector: Labels, pods: &[Object]) -> Result<(), String> {
        let mine = &self.of.key;
        let claims =
            |known: &Known| known.selector.as_ref().is_some_and(|s| pods.iter().any(|p| s.matches(&p.meta().labels)));
        let rivals: Vec<String> = {
            let mut all = self.known.lock();
            all.entry(mine.clone()).or_default().selector = Some(selector);
            let near = all.iter().filter(|(key, known)| key.namespace == mine.namespace && claims(known));
            near.map(|(key, _)| format!("{{{} {}}}", key.name, key.namespace)).collect()
        };
        if rivals.len() < 2 {
            return Ok(());
        }
        let error = format!("pods by selector {text} are controlled by multiple HPAs: [{}]", rivals.join(" "));
        self.tell(Type::Warning, "AmbiguousSelector", error.clone());
        self.set(Kind::ScalingActive, false, "AmbiguousSelector", error.clone());
        Err(error)
    }

    /// Changes the size; whether that went well.
    async fn rescale(&mut self, scale: &Scale, to: i32, reason: &str) -> bool {
        let (of, from) = (self.of, scale.replicas);
        if let Err(e) = scale.set(self.cx, &of.key.namespace, &of.spec.scale_target_ref, to).await {
            self.tell(Type::Warning, "FailedRescale", format!("New size: {to}; reason: {reason}; error: {e}"));
            let text = format!("the HPA controller was unable to update the target scale: {e}");
            self.set(Kind::AbleToScale, false, "FailedUpdateScale", text);
            return false;
        }
        let text = format!("the HPA controller was able to update the target scale to {to}");
        self.set(Kind::AbleToScale, true, "SucceededRescale", text);
        self.tell(Type::Normal, "SuccessfulRescale", format!("New size: {to}; reason: {reason}"));
        self.said.last_scale_time = Some(rfc3339(Timestamp::now()));
        self.remember(|memory, now| memory.rescaled(&of.spec, from, to, now));
        true
    }

    async fn list(&self, r: &Resource, selector: &str) -> Result<Vec<Object>, Status> {
        let request = Request::new(Verb::List, r).namespace(&self.of.key.namespace);
        let request = request.options(|o| o.label_selector = selector.into());
        Ok(self.cx.api.call(request).await?.into_list()?.items)
    }

    fn remember<T>(&self, work: impl FnOnce(&mut Memory, Timestamp) -> T) -> T {
        let mut all = self.known.lock();
        work(&mut all.entry(self.of.key.clone()).or_default().memory, Timestamp::now())
    }

    fn set(&mut self, kind: Kind, on: bool, reason: &str, message: impl Into<String>) {
        self.said.set(kind, on, reason, message, Timestamp::now());
    }

    fn tell(&self, kind: Type, reason: &str, message: String) {
        let about = reference(&HORIZONTAL_POD_AUTOSCALERS, &self.of.key, &self.of.meta.uid);
        self.cx.recorder.event(&about, kind, reason, message);
    }
}
