//! Addresses and node ports of Services.
//!
//! Both are given in the transaction of their Service, so nothing is ever allocated without an owner. A cluster
//! address is an IPAddress object created beside the Service: two servers, or two requests, that choose the same one
//! collide in the store, and the later one chooses again. Node ports are a set in memory, filled from the stored
//! Services at the start and reserved before the commit: a [`Reservation`] that is not kept gives its ports back.

mod families;
mod ports;

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use ipnet::IpNet;
use knarr_api::{Status, Value, field, value};
use knarr_store::Op;
use parking_lot::Mutex;

use super::{
    Registry, ResourceSet,
    document::{decode, draft},
    entry::Entry,
    metadata, random,
    rules::Special,
    storage::Storage,
    update::Old,
    write::Write,
};
use ports::{Ports, Reservation};

/// Where Services live.
#[derive(Clone, Debug)]
pub struct ServiceNetwork {
    /// Address ranges, the primary one first; at most one a family.
    pub ranges: Vec<IpNet>,
    /// Node ports.
    pub node_ports: RangeInclusive<u16>,
}

impl Default for ServiceNetwork {
    fn default() -> Self {
        let range = IpNet::new([10, 43, 0, 0].into(), 16).expect("16 is a prefix length");
        Self { ranges: vec![range], node_ports: 30000..=32767 }
    }
}

pub(super) struct Allocator {
    pub(super) network: ServiceNetwork,
    ports: Arc<Mutex<Ports>>,
}

/// What a write takes and gives back.
#[derive(Default)]
pub(super) struct Allocation {
    taken: Vec<IpAddr>,
    /// Only those that have an object.
    freed: Vec<IpAddr>,
    /// The server's answer to "which collection", known where there is anything to do.
    addresses: Option<Arc<Entry>>,
    ports: Option<Reservation>,
}

impl Allocator {
    pub(super) fn new(network: ServiceNetwork, storage: &Storage, resources: &ResourceSet) -> Self {
        let mut ports = Ports::new(network.node_ports.clone());
        if let Some(services) = resources.named("", "services") {
            for object in storage.all(services.collection) {
                if let Ok(service) = decode(&object) {
                    ports::of(&service).into_iter().for_each(|port| ports.insert(port));
                }
            }
        }
        Self { network, ports: Arc::new(Mutex::new(ports)) }
    }
}

impl Allocation {
    /// Operations that go with the Service's own.
    pub(super) fn ops(&self, write: &Write<'_>, service: &Value) -> Result<Vec<Op>, Status> {
        let Some(entry) = &self.addresses else { return Ok(Vec::new()) };
        let mut ops = Vec::with_capacity(self.taken.len() + self.freed.len());
        for address in &self.taken {
            let tree = address_object(*address, service, &write.time());
            ops.push(Op::Create { collection: entry.collection, draft: draft(entry, &tree)? });
        }
        for address in &self.freed {
            ops.push(Op::Delete {
                collection: entry.collection,
                namespace: "".into(),
                name: address.to_string().into(),
                expect: None,
                last: None,
            });
        }
        Ok(ops)
    }

    /// Waits for the commit of what it belongs to, and keeps or gives back what was taken.
    pub(super) async fn settle<T, E>(mut self, commit: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        if let Some(ports) = &mut self.ports {
            ports.begin();
        }
        let result = commit.await;
        match (self.ports, &result) {
            (Some(ports), Ok(_)) => ports.keep(),
            (Some(ports), Err(_)) => ports.abandon(),
            (None, _) => {}
        }
        result
    }
}

impl Registry {
    /// Fills in what the server gives a new or changed Service. Other resources get nothing.
    pub(super) fn allocate(&self, write: &Write<'_>, new: &mut Value, old: Option<&Old>) -> Result<Allocation, Status> {
        if write.target.entry.special != Special::Service {
            return Ok(Allocation::default());
        }
        let old = old.map(|old| &old.tree);
        let before = old.map(addresses).unwrap_or_default();
        families::carry_over(new, old);
        if !families::settle(new, old, &self.allocator.network).map_err(|errors| invalid(write, new, &errors))? {
            return Ok(Allocation::default()); // not well-formed: validation says why
        }
        let taken = self.take_addresses(write, new, &before)?;
        let ports = Reservation::new(self.allocator.ports.clone());
        let ports = ports::settle(ports, new, old).map_err(|e| match e {
            ports::Error::Field(error) => invalid(write, new, &[error]),
            ports::Error::Full(what) => Status::internal(what),
        })?;
        let after = addresses(new);
        let freed: Vec<_> = before.into_iter().filter(|a| !after.contains(a)).collect();
        Ok(self.allocation(taken, freed, ports))
    }

    /// Gives back what a Service that goes had.
    pub(super) fn release(&self, entry: &Entry, old: &Value) -> Allocation {
        if entry.special != Special::Service {
            return Allocation::default();
        }
        let mut ports = Reservation::new(self.allocator.ports.clone());
        ports::of(old).into_iter().for_each(|port| ports.free(port));
        self.allocation(Vec::new(), addresses(old), ports)
    }

    fn allocation(&self, taken: Vec<IpAddr>, freed: Vec<IpAddr>, ports: Reservation) -> Allocation {
        let addresses = self.resources().named("networking.k8s.io", "ipaddresses").cloned();
        let exists = |a: &IpAddr| addresses.as_ref().is_some_and(|entry| self.is_taken(entry, *a));
        let freed = freed.into_iter().filter(exists).collect();
        Allocation { taken, freed, addresses, ports: Some(ports) }
    }

    fn is_taken(&self, entry: &Entry, address: IpAddr) -> bool {
        self.storage.get(entry.collection, "", &address.to_string()).is_some()
    }

    /// One address a family, those asked for where any are.
    fn take_addresses(&self, write: &Write<'_>, new: &mut Value, before: &[IpAddr]) -> Result<Vec<IpAddr>, Status> {
        let spec = new.get("spec").cloned().unwrap_or_default();
        if spec.str_at(&["type"]) == "ExternalName" || spec.str_at(&["clusterIP"]) == "None" {
            return Ok(Vec::new());
        }
        let entry = self.resources().named("networking.k8s.io", "ipaddresses").cloned();
        let entry = entry.ok_or_else(|| Status::internal("ipaddresses.networking.k8s.io is not served"))?;
        let path = field::Path::new("spec").child("clusterIPs");
        let wanted: Vec<String> =
            spec.list_at(&["clusterIPs"]).iter().map(|ip| ip.as_str().unwrap_or_default().to_owned()).collect();
        let mut have = Vec::new();
        let mut taken = Vec::new();
        for (i, family) in spec.list_at(&["ipFamilies"]).iter().enumerate() {
            let Some(range) = families::range(&self.allocator.network, family.as_str().unwrap_or_default()) else {
                continue;
            };
            let fail = |why: String| {
                let shown: Vec<Value> = wanted.iter().map(|w| Value::from(w.as_str())).collect();
                let error = field::Error::invalid(&path, shown, why);
                Err(invalid(write, new, &[error]))
            };
            let address = match wanted.get(i).map(String::as_str).unwrap_or_default() {
                "" => match self.free_address(&entry, &range) {
                    Some(address) => address,
                    None => {
                        let name = metadata::name(new);
                        return Err(Status::internal(format!(
                            "failed to allocate a serviceIP for Service {name:?}: range is full"
                        )));
                    }
                },
                text => {
                    let Ok(address) = text.parse::<IpAddr>() else { continue };
                    if before.contains(&address) {
                        have.push(address);
                        continue;
                    }
                    if !range.contains(&address) || address == range.network() || is_broadcast(&range, address) {
                        return fail(format!(
                            "failed to allocate IP {text}: the provided IP ({address}) is not in the valid range. The \
                             range of valid IPs is {range}"
                        ));
                    }
                    if self.is_taken(&entry, address) {
                        return fail(format!("failed to allocate IP {text}: provided IP is already allocated"));
                    }
                    address
                }
            };
            have.push(address);
            taken.push(address);
        }
        if let Some(first) = have.first() {
            new.set(&["spec", "clusterIP"], first.to_string());
            new.set(&["spec", "clusterIPs"], have.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        Ok(taken)
    }

    /// Some free address: first of the upper part of the range, as the lower part is where people choose theirs.
    fn free_address(&self, entry: &Entry, range: &IpNet) -> Option<IpAddr> {
        let size = size(range);
        let lower = if size < 16 { 0 } else { (size / 16).clamp(16, 256) };
        let upper = size - lower;
        let from = random::below(upper.max(1));
        let high = (0..upper).map(|i| lower + (from + i) % upper);
        high.chain(0..lower).map(|offset| nth(range, offset)).find(|address| !self.is_taken(entry, *address))
    }
}

fn invalid(write: &Write<'_>, service: &Value, errors: &[field::Error]) -> Status {
    write.target.invalid(metadata::name(service), errors)
}

/// How many addresses of a range may be given, the first one after the network's own. Large ranges are cut at 2^32.
fn size(range: &IpNet) -> u64 {
    let bits = range.max_prefix_len() - range.prefix_len();
    let all = 1u64 << bits.min(32);
    all.saturating_sub(if matches!(range, IpNet::V4(_)) { 2 } else { 1 })
}

/// The address at an offset; 0 is the first that may be given.
pub(super) fn nth(range: &IpNet, offset: u64) -> IpAddr {
    let offset = offset + 1;
    match range {
        IpNet::V4(r) => IpAddr::V4((u32::from(r.network()).wrapping_add(offset as u32)).into()),
        IpNet::V6(r) => IpAddr::V6((u128::from(r.network()).wrapping_add(offset.into())).into()),
    }
}

fn is_broadcast(range: &IpNet, address: IpAddr) -> bool {
    matches!(range, IpNet::V4(r) if IpAddr::V4(r.broadcast()) == address)
}

/// The addresses a Service holds.
fn addresses(service: &Value) -> Vec<IpAddr> {
    if service.str_at(&["spec", "type"]) == "ExternalName" {
        return Vec::new();
    }
    service.list_at(&["spec", "clusterIPs"]).iter().filter_map(|ip| ip.as_str()?.parse().ok()).collect()
}

/// The object that holds an address for a Service.
pub(super) fn address_object(address: IpAddr, service: &Value, time: &str) -> Value {
    value!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address.to_string(),
            "uid": random::uid(),
            "creationTimestamp": time,
            "labels": {
                "ipaddress.kubernetes.io/ip-family": if address.is_ipv4() { "IPv4" } else { "IPv6" },
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": { "parentRef": {
            "group": "",
            "resource": "services",
            "namespace": service.str_at(&["metadata", "namespace"]),
            "name": metadata::name(service),
        } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range: IpNet = "10.43.0.0/16".parse().unwrap();
        assert_eq!((size(&range), nth(&range, 0).to_string()), (65534, "10.43.0.1".to_owned()));
        assert_eq!(nth(&range, 65533).to_string(), "10.43.255.254");
        let range: IpNet = "fd00::/112".parse().unwrap();
        assert_eq!((size(&range), nth(&range, 9).to_string()), (65535, "fd00::a".to_owned()));
    }
}
