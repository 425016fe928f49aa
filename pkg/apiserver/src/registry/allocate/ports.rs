//! Node ports: which are taken, and what a Service's ports become.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use knarr_api::{
    Value,
    field::{self, Path},
};
use parking_lot::Mutex;

use crate::registry::random;

/// The ports of the range that Services hold or are about to.
#[derive(Debug)]
pub(super) struct Ports {
    range: RangeInclusive<u16>,
    taken: BTreeSet<u16>,
}

impl Ports {
    pub(super) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, taken: BTreeSet::new() }
    }

    pub(super) fn insert(&mut self, port: u16) {
        self.taken.insert(port);
    }

    /// Some free port, the upper part of the range first: the lower part is where people choose theirs.
    fn free(&self, salt: u64) -> Option<u16> {
        let size = u64::from(*self.range.end()).checked_sub(u64::from(*self.range.start()))? + 1;
        let lower = if size < 16 { 0 } else { (size / 32).clamp(16, 128) };
        let upper = size - lower;
        let high = (0..upper).map(|i| lower + (salt + i) % upper);
        let ports = high.chain(0..lower).map(|offset| u64::from(*self.range.start()) + offset);
        ports.filter_map(|p| u16::try_from(p).ok()).find(|p| !self.taken.contains(p))
    }
}

/// Ports taken for a write that is not committed yet.
///
/// Dropped before its commit begins it gives them back. Dropped *while* it is being committed (the caller went away) it
/// keeps them: the write may have happened, and a port that is lost until the next start is better than one given twice.
pub(super) struct Reservation {
    ports: Arc<Mutex<Ports>>,
    taken: Vec<u16>,
    freed: Vec<u16>,
    committing: bool,
}

/// Why a Service gets no port.
#[derive(Debug)]
pub(super) enum Error {
    /// It asked for one it cannot have.
    Field(field::Error),
    /// There is none left.
    Full(&'static str),
}

impl Reservation {
    pub(super) fn new(ports: Arc<Mutex<Ports>>) -> Self {
        Self { ports, taken: Vec::new(), freed: Vec::new(), committing: false }
    }

    fn take(&mut self, port: u16) -> Result<(), String> {
        let mut ports = self.ports.lock();
        if !ports.range.contains(&port) {
            let (from, to) = (ports.range.start(), ports.range.end());
            return Err(format!("provided port is not in the valid range. The range of valid ports is {from}-{to}"));
        }
        if !ports.taken.insert(port) {
            return Err("provided port is already allocated".to_owned());
        }
        self.taken.push(port);
        Ok(())
    }

    fn take_any(&mut self) -> Result<u16, Error> {
        let mut ports = self.ports.lock();
        let port =
            ports.free(random::below(1 << 16)).ok_or(Error::Full("failed to allocate a nodePort: range is full"))?;
        ports.taken.insert(port);
        self.taken.push(port);
        Ok(port)
    }

    /// Gives a port back once the write is committed.
    pub(super) fn free(&mut self, port: u16) {
        self.freed.push(port);
    }

    /// The commit begins.
    pub(super) fn begin(&mut self) {
        self.committing = true;
    }

    /// The commit failed.
    pub(super) fn abandon(mut self) {
        self.committing = false;
    }

    /// The write is committed.
    pub(super) fn keep(mut self) {
        self.taken.clear();
        let mut ports = self.ports.lock();
        for port in &self.freed {
            ports.taken.remove(port);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.committing {
            return;
        }
        let mut ports = self.ports.lock();
        for port in &self.taken {
            ports.taken.remove(port);
        }
    }
}

/// The ports a Service holds.
pub(super) fn of(service: &Value) -> Vec<u16> {
    let ports = service.list_at(&["spec", "ports"]).iter().map(|p| number(p, "nodePort"));
    let health = service.get("spec").map_or(0, |spec| number(spec, "healthCheckNodePort"));
    let mut all: Vec<u16> = ports.chain([health]).filter(|p| *p > 0).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn number(from: &Value, key: &str) -> u16 {
    from.get(key).and_then(Value::as_i64).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
}

fn has_ports(service: &Value) -> bool {
    matches!(service.str_at(&["spec", "type"]), "NodePort" | "LoadBalancer")
}

fn needs_health_check(service: &Value) -> bool {
    service.str_at(&["spec", "type"]) == "LoadBalancer" && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
}

/// Gives the Service the ports it needs and notes those it no longer holds.
pub(super) fn settle(
    mut reservation: Reservation,
    service: &mut Value,
    old: Option<&Value>,
) -> Result<Reservation, Error> {
    let held = old.map(of).unwrap_or_default();
    if has_ports(service) {
        node_ports(&mut reservation, service, &held)?;
    }
    if needs_health_check(service) {
        let wanted = service.get("spec").map_or(0, |spec| number(spec, "healthCheckNodePort"));
        if wanted == 0 {
            let port = reservation.take_any()?;
            service.set(&["spec", "healthCheckNodePort"], i64::from(port));
        } else if !held.contains(&wanted) {
            reservation.take(wanted).map_err(|why| {
                let path = Path::new("spec").child("healthCheckNodePort");
                Error::Field(field::Error::invalid(&path, i64::from(wanted), why))
            })?;
        }
    }
    let after = of(service);
    held.into_iter().filter(|p| !after.contains(p)).for_each(|p| reservation.free(p));
    Ok(reservation)
}

fn node_ports(reservation: &mut Reservation, service: &mut Value, held: &[u16]) -> Result<(), Error> {
    let wants_any = service.str_at(&["spec", "type"]) == "NodePort"
        || service.at(&["spec", "allocateLoadBalancerNodePorts"]).and_then(Value::as_bool) != Some(false);
    let mut ports = service.list_at(&["spec", "ports"]).to_vec();
    // One number serves the same port of several protocols: asked for by one of them, or given to the first.
    let asked_for: Vec<(i64, u16)> =
        ports.iter().map(|p| (i64::from(number(p, "port")), number(p, "nodePort"))).collect();
    let mut given: Vec<(i64, u16)> = Vec::new();
    let mut mine: Vec<u16> = held.to_vec();
    for (i, port) in ports.iter_mut().enumerate() {
        let (key, wanted) = asked_for[i];
        if wanted == 0 && !wants_any {
            continue;
        }
        let known = given.iter().find(|(k, _)| *k == key).map(|(_, p)| *p);
        let number = match (wanted, known) {
            (0, Some(known)) => known,
            (0, None) => match asked_for.iter().find(|(k, p)| *k == key && *p > 0) {
                Some((_, sibling)) => *sibling,
                None => 0,
            },
            (wanted, _) => wanted,
        };
        let number = if number == 0 {
            reservation.take_any()?
        } else {
            if !mine.contains(&number) {
                reservation.take(number).map_err(|why| {
                    let path = Path::new("spec").child("ports").index(i).child("nodePort");
                    Error::Field(field::Error::invalid(&path, i64::from(number), why))
                })?;
            }
            number
        };
        mine.push(number);
        given.push((key, number));
        port.set(&["nodePort"], i64::from(number));
    }
    service.set(&["spec", "ports"], ports);
    Ok(())
}

#[cfg(test)]
mod tests {
    use knarr_api::value;

    use super::*;

    fn ports() -> Arc<Mutex<Ports>> {
        Arc::new(Mutex::new(Ports::new(30000..=30031)))
    }

    fn service(ports: Vec<Value>) -> Value {
        value!({ "spec": { "type": "NodePort", "ports": ports } })
    }

    #[test]
    fn protocols_of_one_port_share_a_number() {
        let mut s = service(vec![
            value!({ "port": 53, "protocol": "UDP" }),
            value!({ "port": 53, "protocol": "TCP", "nodePort": 30005 }),
            value!({ "port": 80, "protocol": "TCP" }),
        ]);
        let all = ports();
        settle(Reservation::new(all.clone()), &mut s, None).unwrap().keep();
        let given: Vec<_> = s.list_at(&["spec", "ports"]).iter().map(|p| number(p, "nodePort")).collect();
        assert_eq!(given[..2], [30005, 30005]);
        assert_ne!(given[2], 30005);
        assert_eq!(all.lock().taken.len(), 2);
    }

    #[test]
    fn what_is_not_kept_is_free_again() {
        let all = ports();
        let mut s = service(vec![value!({ "port": 1, "nodePort": 30001 })]);
        drop(settle(Reservation::new(all.clone()), &mut s, None).unwrap());
        assert!(all.lock().taken.is_empty());
        settle(Reservation::new(all.clone()), &mut s, None).unwrap().keep();
        let Err(Error::Field(error)) = settle(Reservation::new(all.clone()), &mut s.clone(), None) else {
            panic!("the port is taken")
        };
        assert_eq!(
            error.to_string(),
            "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated"
        );
        let mut cluster_ip = value!({ "spec": { "type": "ClusterIP", "ports": [{ "port": 1 }] } });
        settle(Reservation::new(all.clone()), &mut cluster_ip, Some(&s)).unwrap().keep();
        assert!(all.lock().taken.is_empty());
    }

    #[test]
    fn a_full_range_says_so() {
        let all = ports();
        (30000..=30031).for_each(|p| all.lock().insert(p));
        let mut s = service(vec![value!({ "port": 1 })]);
        assert!(matches!(settle(Reservation::new(all), &mut s, None), Err(Error::Full(_))));
    }
}
