//! The cluster's names as an index. Pure: informers tell it what changed, [`crate::answer`] reads it.
//!
//! The projections are shared with the informers' caches; the index adds one key per object and one pair per address
//! that has a name of its own (for the reverse direction).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use hickory_proto::{ProtoError, rr::Name};
use knarr_api::Str;
use knarr_client::Key;

use crate::{Address, Endpoint, Service, Slice};

/// The names of a cluster.
#[derive(Debug)]
pub struct Zone {
    domain: Name,
    namespaces: BTreeSet<Str>,
    services: BTreeMap<Key, Arc<Service>>,
    /// By Service: its slices by their own name. There is no entry without a slice.
    slices: HashMap<Key, BTreeMap<Str, Arc<Slice>>>,
    /// Cluster IPs and ready endpoints of headless Services, each with the Service that names it. Always what
    /// [`Zone::named_addresses`] says of the services.
    reverse: BTreeSet<(IpAddr, Key)>,
    serial: u32,
}

impl Zone {
    /// An empty zone for a cluster domain (`cluster.local`).
    ///
    /// # Errors
    /// The text is no domain name.
    pub fn new(domain: &str) -> Result<Self, ProtoError> {
        let mut domain = Name::from_ascii(domain)?.to_lowercase();
        domain.set_fqdn(true);
        Ok(Self {
            domain,
            namespaces: BTreeSet::new(),
            services: BTreeMap::new(),
            slices: HashMap::new(),
            reverse: BTreeSet::new(),
            serial: 1,
        })
    }

    /// A namespace came (`true`) or went.
    pub fn set_namespace(&mut self, name: &str, exists: bool) {
        let changed = if exists { self.namespaces.insert(name.into()) } else { self.namespaces.remove(name) };
        self.serial = self.serial.wrapping_add(u32::from(changed));
    }

    /// A Service is now like this, or gone.
    pub fn set_service(&mut self, key: &Key, service: Option<Arc<Service>>) {
        self.change(key, |zone| match service {
            Some(service) => drop(zone.services.insert(key.clone(), service)),
            None => drop(zone.services.remove(key)),
        });
    }

    /// The slice `key` was `old` and is `new`.
    pub fn set_slice(&mut self, key: &Key, old: Option<&Slice>, new: Option<&Arc<Slice>>) {
        let service = |slice: &Slice| Key { namespace: key.namespace.clone(), name: slice.service.clone() };
        if let Some(old) = old
            && new.is_none_or(|new| new.service != old.service)
        {
            let service = service(old);
            self.change(&service, |zone| {
                if let Some(slices) = zone.slices.get_mut(&service) {
                    slices.remove(&key.name);
                    if slices.is_empty() {
                        zone.slices.remove(&service);
                    }
                }
            });
        }
        if let Some(new) = new {
            let service = service(new);
            self.change(&service, |zone| {
                let slices = zone.slices.entry(service.clone()).or_default();
                slices.insert(key.name.clone(), new.clone());
            });
        }
    }

    /// Changes something about one Service and keeps the reverse index true.
    fn change(&mut self, service: &Key, change: impl FnOnce(&mut Self)) {
        let before = self.named_addresses(service);
        change(self);
        let after = self.named_addresses(service);
        for gone in before.difference(&after) {
            self.reverse.remove(&(*gone, service.clone()));
        }
        for new in after.difference(&before) {
            self.reverse.insert((*new, service.clone()));
        }
        self.serial = self.serial.wrapping_add(1);
    }

    /// The addresses whose reverse name the Service gives.
    fn named_addresses(&self, service: &Key) -> BTreeSet<IpAddr> {
        match self.services.get(service).map(|s| &s.address) {
            Some(Address::Cluster(ips)) => ips.iter().copied().collect(),
            Some(Address::Headless) => self.endpoints(service).map(|e| e.address).collect(),
            Some(Address::External(_)) | None => BTreeSet::new(),
        }
    }

    /// The cluster domain.
    pub fn domain(&self) -> &Name {
        &self.domain
    }

    /// Grows with every change.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The Service of that name.
    pub(crate) fn service(&self, key: &Key) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// Whether the namespace exists, by itself or by a Service in it.
    pub(crate) fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name) || {
            let first = self.services.range(Key::new(name, "")..).next();
            first.is_some_and(|(key, _)| key.namespace == name)
        }
    }

    /// The slices of a Service, in name order.
    pub(crate) fn slices(&self, service: &Key) -> impl Iterator<Item = &Slice> {
        self.slices.get(service).into_iter().flat_map(|slices| slices.values().map(|s| &**s))
    }

    /// The ready endpoints of a Service, in the order of its slices.
    pub(crate) fn endpoints(&self, service: &Key) -> impl Iterator<Item = &Endpoint> {
        self.slices(service).flat_map(|s| s.endpoints.iter())
    }

    /// The Services that name an address.
    pub(crate) fn named_by(&self, ip: IpAddr) -> impl Iterator<Item = &Key> {
        self.reverse.range((ip, Key::default())..).take_while(move |(a, _)| *a == ip).map(|(_, key)| key)
    }

    /// The labels of `name` below the domain, lower case, the nearest to the domain first; `None` outside.
    pub(crate) fn below(&self, name: &Name) -> Option<Vec<String>> {
        if !self.domain.zone_of(name) {
            return None;
        }
        let below = name.iter().rev().skip(self.domain.iter().count());
        Some(below.map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect())
    }

    /// A name below the domain: `zone.name(&["web", "default", "svc"])`.
    ///
    /// # Errors
    /// A label is none, or the name would be too long.
    pub(crate) fn name(&self, labels: &[&str]) -> Result<Name, ProtoError> {
        Name::from_labels(labels.iter().map(|l| l.as_bytes()))?.append_domain(&self.domain)
    }
}
