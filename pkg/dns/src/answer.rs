//! What a question gets: Kubernetes' DNS specification 1.1.0, plus what clients are used to from CoreDNS (names of pods
//! by address, SRV at the name of a Service, the version record). Pure.
//!
//! A name that exists without records of the asked type is NODATA; a name that does not exist, and has nothing below
//! it, is NXDOMAIN. There are no wildcards.

use std::{collections::BTreeSet, net::IpAddr};

use hickory_proto::{
    op::Query,
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT},
    },
};
use knarr_client::Key;

use crate::{
    Address, Endpoint, Port, Service, Zone,
    place::{Place, find},
};

/// How long an answer may be kept, in seconds.
pub(crate) const TTL: u32 = 5;
/// The version of the specification.
const VERSION: &str = "1.1.0";
/// ExternalName Services may lead to each other; so often they are followed.
const MAX_CHASE: usize = 8;

/// What a question gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These records.
    Records(Vec<Record>),
    /// These aliases, and what the last of them, `target`, has outside of the zone.
    Chase {
        /// CNAMEs.
        records: Vec<Record>,
        /// The name outside.
        target: Name,
    },
    /// The name does not exist in the zone.
    NxDomain,
    /// The name exists in the zone, without records of that type.
    NoData,
    /// The name is not ours.
    Forward,
    /// We do not do that.
    Refused,
}

/// Answers one question.
pub fn answer(zone: &Zone, query: &Query) -> Answer {
    let refused = matches!(query.query_type, RecordType::AXFR | RecordType::IXFR);
    if refused || query.query_class != DNSClass::IN {
        return Answer::Refused;
    }
    let Some(labels) = zone.below(&query.name) else { return reverse(zone, query) };
    let mut found = Records { zone, name: query.name.clone(), kind: query.query_type, records: Vec::new() };
    let mut place = find(zone, &labels);
    for _ in 0..MAX_CHASE {
        let Place::Alias(target) = place else { break };
        let Some(target) = found.alias(target) else { break };
        if query.query_type == RecordType::CNAME || query.query_type.is_any() {
            return Answer::Records(found.records);
        }
        match zone.below(&target) {
            None => return Answer::Chase { records: found.records, target },
            Some(labels) => place = find(zone, &labels),
        }
        found.name = target;
    }
    let exists = !matches!(place, Place::Nothing);
    found.take(place);
    match (exists, found.records.is_empty()) {
        (_, false) => Answer::Records(found.records),
        (true, true) => Answer::NoData,
        (false, true) => Answer::NxDomain,
    }
}

/// The SOA record that goes with negative answers.
pub(crate) fn soa(zone: &Zone) -> Option<Record> {
    let (server, person) = (zone.name(&["ns", "dns"]).ok()?, zone.name(&["hostmaster"]).ok()?);
    let soa = SOA::new(server, person, zone.serial(), 7200, 1800, 86_400, TTL);
    Some(Record::from_rdata(zone.domain().clone(), TTL, RData::SOA(soa)))
}

/// Names of addresses; what we do not know, somebody else may.
fn reverse(zone: &Zone, query: &Query) -> Answer {
    let Some(ip) = address_of(&query.name) else { return Answer::Forward };
    let mut records = Vec::new();
    let mut known = false;
    for key in zone.named_by(ip) {
        known = true;
        if !matches!(query.query_type, RecordType::PTR | RecordType::ANY) {
            continue;
        }
        let mut put = |labels: &[&str]| {
            let name = zone.name(labels);
            records.extend(name.map(|n| Record::from_rdata(query.name.clone(), TTL, RData::PTR(PTR(n)))));
        };
        match zone.service(key).map(|s| &s.address) {
            Some(Address::Headless) => {
                let mut labels: Vec<_> = zone.endpoints(key).filter(|e| e.address == ip).map(Endpoint::label).collect();
                labels.dedup();
                labels.iter().for_each(|label| put(&[label, &key.name, &key.namespace, "svc"]));
            }
            _ => put(&[&key.name, &key.namespace, "svc"]),
        }
    }
    match (known, records.is_empty()) {
        (_, false) => Answer::Records(records),
        (true, true) => Answer::NoData,
        (false, true) => Answer::Forward,
    }
}

/// The address a name under `in-addr.arpa` or `ip6.arpa` stands for.
pub(crate) fn address_of(name: &Name) -> Option<IpAddr> {
    let net = name.parse_arpa_name().ok()?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

/// The records of a place, of the asked type, under the asked name in the asked spelling.
struct Records<'a> {
    zone: &'a Zone,
    name: Name,
    kind: RecordType,
    records: Vec<Record>,
}

impl Records<'_> {
    fn take(&mut self, place: Place<'_>) {
        let zone = self.zone;
        match place {
            Place::Nothing | Place::Between | Place::Alias(_) => {}
            Place::Apex => {
                if let Some(soa) = soa(zone) {
                    self.put(soa.data);
                }
                if let Ok(server) = zone.name(&["ns", "dns"]) {
                    self.put(RData::NS(NS(server)));
                }
            }
            Place::Version => self.put(RData::TXT(TXT::new(vec![VERSION.to_owned()]))),
            Place::Server => {
                let dns = zone.service(&Key::new(crate::register::NAMESPACE, crate::register::SERVICE));
                if let Some(Address::Cluster(ips)) = dns.map(|s| &s.address) {
                    ips.iter().for_each(|ip| self.put_address(*ip));
                }
            }
            Place::Service(key, service) => {
                match &service.address {
                    Address::Cluster(ips) => ips.iter().for_each(|ip| self.put_address(*ip)),
                    Address::Headless => self.put_endpoints(zone.endpoints(&key)),
                    Address::External(_) => {}
                }
                self.put_ports(&key, service, |_| true);
            }
            Place::Endpoints(endpoints) => self.put_endpoints(endpoints.into_iter()),
            Place::Ports(key, service, protocol, name) => {
                self.put_ports(&key, service, |p| p.protocol == protocol && Some(p.name.as_str()) == name.as_deref());
            }
            Place::Pod(ip) => self.put_address(ip),
        }
    }

    /// The CNAME of an alias, and where it leads.
    fn alias(&mut self, target: &str) -> Option<Name> {
        let mut target = Name::from_ascii(target).ok()?;
        target.set_fqdn(true);
        self.records.push(Record::from_rdata(self.name.clone(), TTL, RData::CNAME(CNAME(target.clone()))));
        Some(target)
    }

    /// Each address once: an endpoint may be in two slices while it moves.
    fn put_endpoints<'e>(&mut self, endpoints: impl Iterator<Item = &'e Endpoint>) {
        let addresses: BTreeSet<IpAddr> = endpoints.map(|e| e.address).collect();
        addresses.into_iter().for_each(|ip| self.put_address(ip));
    }

    fn put_address(&mut self, ip: IpAddr) {
        self.put(match ip {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        });
    }

    /// SRV: a Service with cluster IPs is its own target, a headless one has its endpoints as targets.
    fn put_ports(&mut self, key: &Key, service: &Service, wanted: impl Fn(&Port) -> bool) {
        if self.kind != RecordType::SRV {
            return;
        }
        let mut found = BTreeSet::new();
        let mut put = |labels: &[&str], port: &Port| {
            found.extend(self.zone.name(labels).map(|target| (port.number, target)));
        };
        if service.address == Address::Headless {
            for slice in self.zone.slices(key) {
                for port in slice.ports.iter().filter(|p| wanted(p)) {
                    let each = slice.endpoints.iter();
                    each.for_each(|e| put(&[&e.label(), &key.name, &key.namespace, "svc"], port));
                }
            }
        } else {
            let ports = service.ports.iter().filter(|p| wanted(p));
            ports.for_each(|port| put(&[&key.name, &key.namespace, "svc"], port));
        }
        let weight = u16::try_from(100 / found.len().max(1)).unwrap_or(1).max(1);
        for (port, target) in found {
            self.put(RData::SRV(SRV::new(0, weight, port, target)));
        }
    }

    /// One record, if it is of the asked type.
    fn put(&mut self, data: RData) {
        if self.kind.is_any() || data.record_type() == self.kind {
            self.records.push(Record::from_rdata(self.name.clone(), TTL, data));
        }
    }
}
