//! Services and slices → backends.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use knarr_client::Key;

use super::{Backend, Problem};
use crate::objects::{BackendRef, IngressInfo, PortRef, ServiceInfo, ServicePort, SliceEndpoint, SliceInfo, beside};

/// Finds backends; the same Service port is the same backend.
pub(super) struct Backends<'a> {
    services: HashMap<&'a Key, &'a ServiceInfo>,
    slices: HashMap<&'a Key, Vec<&'a SliceInfo>>,
    made: BTreeMap<String, Arc<Backend>>,
}

impl<'a> Backends<'a> {
    pub(super) fn new(services: &'a [Arc<ServiceInfo>], slices: &'a [Arc<SliceInfo>]) -> Self {
        let mut by_service: HashMap<&Key, Vec<&SliceInfo>> = HashMap::new();
        for slice in slices {
            by_service.entry(&slice.service).or_default().push(slice);
        }
        let services = services.iter().map(|s| (&s.key, &**s)).collect();
        Self { services, slices: by_service, made: BTreeMap::new() }
    }

    /// The backend a reference means. One that cannot be found is one without endpoints, and a problem.
    pub(super) fn find(&mut self, of: &IngressInfo, to: &BackendRef, problems: &mut Vec<Problem>) -> Arc<Backend> {
        let mut complain = |reason, message| {
            problems.push(Problem { ingress: of.key.clone(), reason, message });
        };
        let (key, port) = match to {
            BackendRef::Service { name, port } => (beside(&of.key, name), port),
            BackendRef::Resource(what) => {
                complain("UnsupportedBackend", format!("backend {what} is not a Service"));
                return Arc::new(Backend { name: what.clone(), h2c: false, endpoints: Vec::new() });
            }
        };
        let name = format!("{key}:{port}");
        let service = self.services.get(&key).copied();
        let found = service.and_then(|s| port_of(s, port));
        match service {
            None => complain("ServiceNotFound", format!("Service {key} does not exist")),
            Some(service) if service.external_name => {
                complain("UnsupportedBackend", format!("Service {key} is of type ExternalName"));
            }
            Some(_) if found.is_none() => {
                complain("ServicePortNotFound", format!("Service {key} has no TCP port {port}"));
            }
            Some(_) => {}
        }
        if let Some(made) = self.made.get(&name) {
            return made.clone();
        }
        let slices = self.slices.get(&key).map_or(&[][..], Vec::as_slice);
        let external = service.is_none_or(|s| s.external_name);
        let endpoints = found.filter(|_| !external).map(|p| endpoints(&p.name, slices)).unwrap_or_default();
        let backend = Arc::new(Backend { name: name.clone(), h2c: found.is_some_and(|p| p.h2c), endpoints });
        self.made.insert(name, backend.clone());
        backend
    }
}

fn port_of<'s>(service: &'s ServiceInfo, port: &PortRef) -> Option<&'s ServicePort> {
    service.ports.iter().find(|p| match port {
        PortRef::Number(number) => p.number == *number,
        PortRef::Name(name) => *p.name == **name,
    })
}

/// Ready endpoints; where there are none, those that still serve while terminating (KEP-1669). A pod of two families
/// is one endpoint: IPv4 if it has one.
fn endpoints(port: &str, slices: &[&SliceInfo]) -> Vec<SocketAddr> {
    let collect = |wanted: fn(&SliceEndpoint) -> bool| {
        let mut out: Vec<SocketAddr> = Vec::new();
        for slice in slices {
            let Some((_, number)) = slice.ports.iter().find(|(name, _)| **name == *port) else { continue };
            let chosen = slice.endpoints.iter().filter(|e| wanted(e));
            out.extend(chosen.map(|e| SocketAddr::new(e.address, *number)));
        }
        if out.iter().any(SocketAddr::is_ipv4) {
            out.retain(SocketAddr::is_ipv4);
        }
        out.sort();
        out.dedup();
        out
    };
    let ready = collect(|e| e.ready && !e.terminating);
    if ready.is_empty() { collect(|e| e.serving && e.terminating) } else { ready }
}
