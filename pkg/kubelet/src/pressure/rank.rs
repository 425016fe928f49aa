//! Who goes first: those that use more than they asked for, then by priority, then by how much more. Pure.

use std::{cmp::Reverse, collections::HashMap};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::api::resource::Quantity};

use super::{decide::Starved, limits::Disks, threshold::Signal};
use crate::{
    admit,
    pod::{self, Kind},
    quantity,
    stats::PodLook,
};

/// A pod that may have to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) uid: String,
    pub(super) priority: i32,
    /// Seconds it asks for to end.
    pub(super) grace: i64,
    /// What it uses of what is short; nothing known: it goes first.
    pub(super) usage: Option<u64>,
    /// What it asked for of it.
    pub(super) request: u64,
    /// Containers with what they use and asked for.
    pub(super) containers: Vec<(String, u64, u64)>,
}

impl Candidate {
    pub(super) fn new(p: &Pod, signal: Signal, look: Option<&PodLook>, disks: Option<&HashMap<String, Disks>>) -> Self {
        let name = match signal {
            Signal::Memory => "memory",
            Signal::NodeDisk | Signal::ImageDisk => "ephemeral-storage",
            _ => "",
        };
        let disk = disks.and_then(|d| d.get(pod::uid(p)));
        let of_inodes = matches!(signal, Signal::NodeInodes | Signal::ImageInodes);
        let usage = match signal {
            Signal::Memory => look.map(|l| l.usage.working_set),
            Signal::Pid => look.map(|l| l.usage.processes),
            _ if of_inodes => disk.map(|d| d.whole.inodes),
            _ => disk.map(|d| d.whole.bytes),
        };
        let bytes = |q: &Quantity| u64::try_from(quantity::value(q)).unwrap_or(0);
        let parts = pod::parts(p).into_iter().filter(|part| part.kind != Kind::Ephemeral);
        let containers = parts.filter_map(|part| {
            let used = match signal {
                Signal::Memory => look?.containers.iter().find(|c| c.name == part.name())?.usage.working_set,
                Signal::NodeDisk | Signal::ImageDisk => disk?.containers.get(part.name())?.bytes,
                _ => return None,
            };
            let requests = part.spec.resources.as_ref().and_then(|r| r.requests.as_ref());
            Some((part.name().to_owned(), used, requests.and_then(|r| r.get(name)).map_or(0, bytes)))
        });
        Self {
            uid: pod::uid(p).to_owned(),
            priority: pod::spec(p).priority.unwrap_or(0),
            grace: pod::grace(p),
            usage,
            request: u64::try_from(admit::request(p, name, quantity::value)).unwrap_or(0),
            containers: containers.collect(),
        }
    }

    fn excess(&self) -> i128 {
        i128::from(self.usage.unwrap_or(0)) - i128::from(self.request)
    }
}

/// The one that goes first.
pub(super) fn first(candidates: Vec<Candidate>) -> Option<Candidate> {
    candidates.into_iter().min_by_key(|c| (c.usage.is_some(), c.excess() <= 0, c.priority, Reverse(c.excess())))
}

/// Why it goes, in upstream's words.
pub(super) fn message(starved: &Starved, of: &Candidate) -> String {
    let Starved { signal, resource, line, available, .. } = starved;
    let mut out =
        format!("The node was low on resource: {resource}. Threshold quantity: {line}, available: {available}. ");
    for (name, usage, request) in of.containers.iter().filter(|(_, usage, request)| usage > request) {
        let (usage, request) = (signal.show(*usage), signal.show(*request));
        out += &format!(
            "Container {name} was using {usage}, request is {request}, has larger consumption of {resource}. "
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(uid: &str, priority: i32, usage: u64, request: u64) -> Candidate {
        let containers = vec![("app".to_owned(), usage << 20, request << 20)];
        let (usage, request) = (Some(usage << 20), request << 20);
        Candidate { uid: uid.into(), priority, grace: 30, usage, request, containers }
    }

    /// Names of the candidates in the order they go.
    fn order(mut all: Vec<Candidate>) -> String {
        let mut out = Vec::new();
        while let Some(next) = first(all.clone()) {
            all.retain(|c| c.uid != next.uid);
            out.push(next.uid);
        }
        out.join(" ")
    }

    #[test]
    fn the_order() {
        let all = vec![
            candidate("modest", 0, 10, 20),
            candidate("greedy", 0, 200, 50),
            candidate("greedier", 0, 300, 50),
            candidate("important", 100, 900, 0),
            candidate("modest-low", -5, 100, 200),
            Candidate { usage: None, ..candidate("unknown", 1000, 0, 0) },
        ];
        assert_eq!(order(all), "unknown greedier greedy important modest-low modest");
    }

    #[test]
    fn the_words() {
        let starved = Starved {
            signal: Signal::Memory,
            resource: "memory",
            hard: true,
            line: "100Mi".into(),
            available: "64Mi".into(),
        };
        assert_eq!(
            message(&starved, &candidate("a", 0, 200, 0)),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi. Container app was using \
             200Mi, request is 0, has larger consumption of memory. "
        );
        assert_eq!(
            message(&starved, &candidate("a", 0, 1, 2)),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi. "
        );
    }
}
